"""The time that jobs are taken at: by default the greatest occurred_at in silver, so that days of trade work in minutes."""

from __future__ import annotations

from datetime import datetime

import pyarrow.compute as pc
from deltalake import DeltaTable

from lakefront.lake.access import open_table
from lakefront.lake.tables import SILVER


class NothingHappened(LookupError):
    """Silver is empty: there is no business time yet."""


def greatest_occurred_at(lake_uri: str | None = None) -> datetime:
    """The newest business time in silver. Raises NothingHappened."""
    newest = [moment for table in SILVER if (moment := _newest(open_table(table, lake_uri)))]
    if not newest:
        raise NothingHappened("silver has no rows yet: has anything reached bronze, and did the silver asset run?")
    return max(newest)


def _newest(handle: DeltaTable | None) -> datetime | None:
    """Greatest occurred_at of a table, read from its newest date only."""
    dates = [] if handle is None else sorted(partition["occurred_date"] for partition in handle.partitions())
    if handle is None or not dates:
        return None
    rows = handle.to_pyarrow_table(columns=["occurred_at"], partitions=[("occurred_date", "=", str(dates[-1]))])
    newest: datetime | None = pc.max(rows["occurred_at"]).as_py()
    return newest
