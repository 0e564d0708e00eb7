"""Gold: dbt's marts, published from the scratch file to Delta, held to the contracts of lakefront.lake.tables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

import duckdb
import pyarrow as pa

from lakefront.clock import iso
from lakefront.lake.access import replace
from lakefront.lake.tables import GOLD, Table
from pipelines.dbt_project import MARTS_SCHEMA, dbt, scratch_file


def dbt_variables(as_of: datetime) -> str:
    """Variables of a dbt run as --vars takes them."""
    return json.dumps({"as_of": iso(as_of)})


def build_marts(as_of: datetime) -> str:
    """Compute and test all models at a time; returns dbt's log. Raises DbtFailed."""
    return dbt("build", "--vars", dbt_variables(as_of))


def mart(connection: duckdb.DuckDBPyConnection, table: Table) -> pa.Table:
    """A mart's rows from the scratch file, with the columns that dbt gave it."""
    relation = connection.table(f"{MARTS_SCHEMA}.{table.name}")
    return relation.to_arrow_table()


def publish_gold(tables: Iterable[Table] = GOLD, lake_uri: str | None = None) -> dict[str, int]:
    """Publish marts to Delta, each in one commit; returns the rows of each."""
    rows: dict[str, int] = {}
    with duckdb.connect(str(scratch_file()), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in tables:
            found = mart(connection, table)
            replace(table, found, lake_uri)
            rows[table.name] = found.num_rows
    return rows
