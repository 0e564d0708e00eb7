"""Spark jobs: bronze to silver."""
