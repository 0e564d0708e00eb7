"""The pool lends each connection to one at a time and has it back whatever becomes of the borrower."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from transactional.platform.database import Database
from transactional.platform.query import value


@pytest.fixture
async def one_connection(database_url: str):
    """A database with a single connection: one that is lost or broken would be missed at once."""
    db = await Database.open(database_url, 1, wait_seconds=10)
    yield db
    await db.close()


async def slow(db: Database) -> None:
    async with db.connection() as connection:
        await connection.execute("SELECT pg_sleep(30)")


async def test_a_borrower_that_is_cancelled_gives_its_connection_back(one_connection):
    borrowing = asyncio.create_task(slow(one_connection))
    await asyncio.sleep(0.2)
    borrowing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await borrowing
    async with one_connection.connection() as connection:
        assert await value(connection, "SELECT 7") == 7


async def test_a_statement_that_fails_leaves_a_connection_that_works(one_connection):
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with one_connection.connection() as connection:
            await connection.execute("SELECT 1 / 0")
    async with one_connection.connection() as connection:
        assert await value(connection, "SELECT 7") == 7


async def test_a_snapshot_sees_one_moment_and_writes_nothing(shop, one_connection, create_product):
    product = await create_product(stock={"main": 3})
    stock = "SELECT available FROM stock WHERE product_id = %(id)s"
    async with one_connection.snapshot() as connection:
        assert await value(connection, stock, {"id": product["product_id"]}) == 3
        await shop.sql("UPDATE stock SET available = 2 WHERE product_id = %s", product["product_id"])
        assert await value(connection, stock, {"id": product["product_id"]}) == 3
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await connection.execute("UPDATE stock SET available = 9")
