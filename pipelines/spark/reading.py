"""From the rows of bronze to typed columns: shared by the parsers of the event families."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from lakefront.lake.tables import MONEY, TIME, Table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_SPARK_TYPES: dict[pa.DataType, str] = {
    pa.string(): "string",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    TIME: "timestamp",
    MONEY: "decimal(18,4)",
    pa.list_(pa.string()): "array<string>",
}

METADATA = "struct<user:string,session:string>"


def spark_type(arrow_type: pa.DataType) -> str:
    """Spark's name of a contract's type."""
    return _SPARK_TYPES[arrow_type]


def facts(events: DataFrame, event_types: list[str], data: str) -> DataFrame:
    """Events of these types with their ``data`` (a struct type's fields) and ``metadata`` parsed from the payload."""
    from pyspark.sql import functions as f

    schema = f"struct<data:struct<{data}>,metadata:{METADATA}>"
    chosen = events.where(f.col("event_type").isin(event_types))
    parsed = chosen.withColumn("parsed", f.from_json("payload", schema))
    return parsed.select("*", "parsed.data", "parsed.metadata").drop("parsed", "payload")


def money(name: str) -> Column:
    """An amount, exact, from the string that events carry. Null (which a check reports) where it is none."""
    from pyspark.sql import functions as f

    return f.expr(f"try_cast({name} AS decimal(18,4))")


def by_contract(rows: DataFrame, table: Table) -> DataFrame:
    """The contract's columns in its order and types."""
    from pyspark.sql import functions as f

    return rows.select(
        *(f.col(column.name).cast(spark_type(column.type)).alias(column.name) for column in table.schema)
    )
