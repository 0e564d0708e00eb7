"""PostgreSQL through psycopg 3: one small pool a process, plain SQL, transactions that begin and end in a service.

``connection`` gives an autocommit connection: for reads, and for a write that is one statement (it commits by itself, without
the two extra round trips of BEGIN and COMMIT). ``transaction`` is for several statements that stand or fall together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, _queries
from psycopg_pool import AsyncConnectionPool

# psycopg keeps what it has parsed of a statement only up to 4,096 characters and 50 parameters. Our largest are beyond
# that, and parsing one anew at each call costs a tenth of an order's CPU.
_queries.MAX_CACHED_STATEMENT_LENGTH = 16_384
_queries.MAX_CACHED_STATEMENT_PARAMS = 100

Connection = AsyncConnection[tuple[Any, ...]]
"""Rows are tuples; a cursor may ask for dict_row or class_row."""


class Database:
    """The pool. It opens without waiting, so that a process starts while PostgreSQL is still coming up."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    @classmethod
    async def open(
        cls, url: str, size: int = 4, *, wait_seconds: float = 5.0, statement_seconds: float = 30.0
    ) -> Database:
        """Connect. Who waits longer than ``wait_seconds`` for a connection gets ``psycopg_pool.PoolTimeout``."""
        if not url:
            raise ValueError("no database: run `lakefront up`, or set LAKEFRONT_DATABASE_URL")

        async def prepare(connection: Connection) -> None:
            await connection.execute(
                "SELECT set_config('timezone', 'UTC', false), set_config('statement_timeout', %s, false)",
                [str(int(statement_seconds * 1000))],
            )

        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=min(1, size),
            max_size=size,
            timeout=wait_seconds,
            open=False,
            configure=prepare,
            kwargs={"autocommit": True},
            reconnect_timeout=30,
        )
        await pool.open(wait=False)
        return cls(pool)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit mode, given back at the end: there is no transaction to end, which the pool's own
        context would do."""
        connection = await self._pool.getconn()
        try:
            yield connection
        finally:
            await self._pool.putconn(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction: commits at the end, rolls back on any error. No network call to anyone else inside."""
        async with self._pool.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A transaction that only reads, and sees everything as of one moment however many statements it asks."""
        async with self.transaction() as connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection

    async def close(self) -> None:
        await self._pool.close()
