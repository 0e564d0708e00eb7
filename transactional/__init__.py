"""The transactional core: a FastAPI application on PostgreSQL and Redis, one package per business domain."""
