"""Alembic's entry: one connection, one transaction, one advisory lock so that two starters do not migrate at once."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

MIGRATION_LOCK = 7_316_498_201


def run() -> None:
    url: str = context.config.attributes["database_url"]
    scheme, rest = url.split("://", 1)
    engine = create_engine(f"postgresql+psycopg://{rest}" if scheme.startswith("postgres") else url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
        connection.commit()  # the lock is the session's; the migration gets a transaction of its own
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
