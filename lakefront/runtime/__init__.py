"""The local runtime: embedded PostgreSQL, Redis and Java, the processes of the Procfile and their supervisor."""
