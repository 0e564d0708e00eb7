"""Running one statement and reading its rows by column name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from transactional.platform.database import Connection

Row = dict[str, Any]


def jsonb(value: object) -> Jsonb:
    """A parameter of type jsonb."""
    return Jsonb(value, dumps=orjson.dumps)


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
