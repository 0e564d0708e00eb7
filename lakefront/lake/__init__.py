"""The lakehouse: table contracts of bronze, silver and gold, and access to them without Spark."""
