"""Reading and writing the lake without Spark: Delta through ``deltalake``, SQL through DuckDB.

DuckDB's own Delta extension is a download, so a table is handed to it as the list of its current files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from lakefront.lake.tables import Table
from lakefront.settings import settings


def uri(table: Table, lake_uri: str | None = None) -> str:
    """Address of a table."""
    return f"{lake_uri or settings().lake_uri}/{table.path}"


def open_table(table: Table, lake_uri: str | None = None) -> DeltaTable | None:
    """A fresh handle on a table, None while it does not exist."""
    try:
        return DeltaTable(uri(table, lake_uri))
    except TableNotFoundError:
        return None


def read(table: Table, columns: list[str] | None = None, lake_uri: str | None = None) -> pa.Table:
    """All rows of a table, by its contract's columns; no rows while it does not exist."""
    handle = open_table(table, lake_uri)
    wanted = columns or table.schema.names
    schema = pa.schema([table.schema.field(name) for name in wanted])
    if handle is None:
        return schema.empty_table()
    return handle.to_pyarrow_table(columns=wanted).cast(schema)


def replace(table: Table, rows: pa.Table, lake_uri: str | None = None) -> None:
    """Write a table anew, held to its contract. Readers see the old rows or the new ones, never a mixture."""
    rows = rows.select(table.schema.names).cast(table.schema)
    write_deltalake(
        uri(table, lake_uri), rows, mode="overwrite", partition_by=list(table.partitioned_by) or None,
        schema_mode="overwrite",
    )  # fmt: skip


def connect(tables: Iterable[Table], lake_uri: str | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in memory with each table as a view ``layer_name`` (``silver_orders``), UTC, read when asked."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for table in tables:
        register(connection, table, lake_uri)
    return connection


def register(connection: duckdb.DuckDBPyConnection, table: Table, lake_uri: str | None = None) -> None:
    """Offer a table to DuckDB as the view ``layer_name``; an empty one while it does not exist."""
    name = f"{table.layer}_{table.name}"
    handle = open_table(table, lake_uri)
    source: Any = table.schema.empty_table() if handle is None else handle.to_pyarrow_dataset()
    connection.register(name, source)
