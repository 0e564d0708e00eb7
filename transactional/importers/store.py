"""SQL of the importers: whole tables at once by COPY, in the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]

# Inserted first: a second import of the same source waits here for the first one's outcome.
_CLAIM = """
INSERT INTO imports (source, fingerprint, summary, finished_at) VALUES (%s, %s, '{}', %s)
ON CONFLICT (source) DO NOTHING"""

CLOCK_OFFSET = "SELECT offset_interval FROM clock"

_FINISH = "UPDATE imports SET summary = %s WHERE source = %s"
_PREVIOUS = "SELECT fingerprint, summary FROM imports WHERE source = %s"

_ADD_CATEGORY = """
INSERT INTO categories (id, parent_id, slug, name, path)
VALUES (%s, (SELECT id FROM categories WHERE path = %s), %s, %s, %s) ON CONFLICT (path) DO NOTHING"""
_CATEGORY_IDS = "SELECT path, id FROM categories WHERE path = ANY(%s)"
_ADD_WAREHOUSE = "INSERT INTO warehouses (code, name, country) VALUES (%s, %s, %s) ON CONFLICT (code) DO NOTHING"


def claim(connection: Connection, source: str, fingerprint: str, now: Any) -> bool:
    """Note that a source is imported now; False when it has been before."""
    return connection.execute(_CLAIM, [source, fingerprint, now]).rowcount == 1


def finish(connection: Connection, source: str, summary: dict[str, Any]) -> None:
    connection.execute(_FINISH, [json.dumps(summary), source])


def previous(connection: Connection, source: str) -> tuple[str, dict[str, Any]] | None:
    """Fingerprint and summary of what was imported from a source."""
    row = connection.execute(_PREVIOUS, [source]).fetchone()
    return None if row is None else (row[0], row[1])


def add_categories(connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
    """Rows of (id, parent's path, slug, name, path), parents first; paths that exist stay as they are."""
    with connection.cursor() as cursor:
        cursor.executemany(_ADD_CATEGORY, rows)


def category_ids(connection: Connection, paths: Sequence[str]) -> dict[str, Any]:
    return dict(connection.execute(_CATEGORY_IDS, [list(paths)]).fetchall())


def add_warehouse(connection: Connection, code: str, name: str, country: str) -> None:
    connection.execute(_ADD_WAREHOUSE, [code, name, country])


def copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Add rows to a table by COPY; returns how many."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)
            count += 1
    return count
