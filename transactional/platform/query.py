"""Running one statement and reading its rows by column name."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from transactional.platform.database import Connection

Row = dict[str, Any]


def jsonb(value: object) -> Jsonb:
    """A parameter of type jsonb."""
    return Jsonb(value, dumps=orjson.dumps)


def document(value: object) -> Jsonb:
    """Many values as one parameter of type jsonb, for ``jsonb_to_record``: the driver spends on each parameter
    several times what PostgreSQL spends on reading it from a document. Amounts go as text, which numeric columns read."""
    return Jsonb(value, dumps=_dump_document)


def _dump_document(value: object) -> bytes:
    return orjson.dumps(value, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    raise TypeError(f"a document cannot hold a {type(value).__name__}")


async def rows(connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
    """All rows of one statement."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


async def first(connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
    """The first row of one statement, None when it has none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchone()


async def value(connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The first column of a statement's first row, None when it has none."""
    row = await (await connection.execute(statement, parameters)).fetchone()
    return row[0] if row else None
