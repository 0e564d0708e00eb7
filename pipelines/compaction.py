"""Keeping the lake readable: small files of closed bronze dates become few, and files that nobody reads any more go.

Compaction moves rows without changing any, so that the silver run passes over it and the lake writer's appends do not conflict.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from lakefront.clock import real_now
from lakefront.lake.access import open_table
from lakefront.lake.tables import EVENTS, GOLD, SILVER

WORTHWHILE_FILES = 8
"""A closed date with fewer files is left as it is."""
RETENTION_HOURS = 168
"""Readers and silver runs may look back this long."""


@dataclass(frozen=True)
class Compaction:
    """What was compacted and removed."""

    dates: list[str]
    files_before: int
    files_after: int
    files_removed: int


def maintain(lake_uri: str | None = None, today: date | None = None) -> Compaction:
    """Compact the closed dates of bronze and vacuum all layers."""
    dates, before, after = compact_closed_dates(lake_uri, today)
    return Compaction(dates, before, after, _vacuum(lake_uri))


def compact_closed_dates(lake_uri: str | None = None, today: date | None = None) -> tuple[list[str], int, int]:
    """Compact each date of bronze before today (real time, as recorded_at is); returns dates, files before and after."""
    bronze = open_table(EVENTS, lake_uri)
    if bronze is None:
        return [], 0, 0
    today = today or real_now().date()
    closed = {day: files for day, files in _files_by_date(bronze).items() if date.fromisoformat(day) < today}
    worth = sorted(day for day, files in closed.items() if files >= WORTHWHILE_FILES)
    after = 0
    for day in worth:
        bronze.optimize.compact(partition_filters=[("recorded_date", "=", day)])
        bronze.update_incremental()
        after += _files_by_date(bronze)[day]
    return worth, sum(closed[day] for day in worth), after


def _files_by_date(bronze: object) -> dict[str, int]:
    """Number of current files of each recorded date."""
    actions = pa.table(bronze.get_add_actions(flatten=True))  # type: ignore[attr-defined]
    counts: dict[str, int] = {}
    for day in actions["partition.recorded_date"].to_pylist():
        counts[str(day)] = counts.get(str(day), 0) + 1
    return counts


def _vacuum(lake_uri: str | None) -> int:
    removed = 0
    for table in (EVENTS, *SILVER, *GOLD):
        handle = open_table(table, lake_uri)
        if handle is not None:
            removed += len(handle.vacuum(retention_hours=RETENTION_HOURS, dry_run=False))
    return removed
