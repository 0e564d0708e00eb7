"""The history of the features in the lake: one Delta table per view, which Feast's sources and training sets read.

A row says what a view's features were from ``event_timestamp`` (business time) on. Tables stand in the layer
``features`` of the lake and are only ever appended to, but for the stream views, whose history is computed anew from
silver.
"""

from __future__ import annotations

import pyarrow as pa
from deltalake import write_deltalake

from features.definitions import DOUBLE, DOUBLES, FLOATS, STRING, STRINGS, VIEWS, View
from lakefront.lake.access import open_table, uri
from lakefront.lake.tables import TIME, Table

EVENT_TIME = "event_timestamp"
CREATED_TIME = "created_timestamp"

_ARROW = {
    STRING: pa.string(),
    DOUBLE: pa.float64(),
    STRINGS: pa.list_(pa.string()),
    DOUBLES: pa.list_(pa.float64()),
    FLOATS: pa.list_(pa.float32()),
}


def history_table(view: View) -> Table:
    """The contract of a view's table."""
    fields = [(name, _ARROW[kind]) for name, kind in view.features.items()]
    times = [(EVENT_TIME, TIME), (CREATED_TIME, TIME)]
    return Table("features", view.name, pa.schema([(view.entity, pa.string()), *times, *fields]))


HISTORY: dict[str, Table] = {name: history_table(view) for name, view in VIEWS.items()}


def ensure_tables(lake_uri: str | None = None) -> None:
    """Make the tables that do not exist yet, empty: Feast wants its sources to be there."""
    for table in HISTORY.values():
        if open_table(table, lake_uri) is None:
            write_deltalake(uri(table, lake_uri), table.schema.empty_table(), mode="ignore")


def append(view: View, rows: pa.Table, lake_uri: str | None = None) -> None:
    """Add rows to a view's history, held to its contract."""
    table = HISTORY[view.name]
    write_deltalake(uri(table, lake_uri), rows.select(table.schema.names).cast(table.schema), mode="append")
