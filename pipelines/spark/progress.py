"""What is new in bronze since the last silver run, found without Spark, and the record that a run leaves behind.

The files added to bronze since a Delta version are read from its log (compaction, which moves rows without changing any, is
passed over); two columns of them tell which event types and which occurred dates a run has to recompute. Each run appends a
row to silver/runs in a commit whose application transaction is the bronze version it reached.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import PyFileSystem

from lakefront.lake.access import open_table, uri
from lakefront.lake.tables import TIME, Table

RUNS = Table(
    "silver",
    "runs",
    pa.schema(
        [
            ("finished_at", TIME),  # real time
            ("bronze_id", pa.string()),
            ("from_version", pa.int64()),  # null: everything was computed anew
            ("to_version", pa.int64()),
            ("events", pa.int64()),  # new in bronze
            ("dates", pa.int64()),  # occurred dates that they touch
            ("unknown_types", pa.string()),  # JSON object: event type without a contract to number of its events
            ("seconds", pa.float64()),
        ]
    ),
)


@dataclass
class Changes:
    """New events of bronze: how many of each type on each date on which they occurred."""

    counts: Counter[tuple[str, date]] = field(default_factory=Counter)
    since: int | None = None
    """Bronze version after which these came; None: these are all events, and silver is to be computed anew."""
    through: int = 0

    @property
    def events(self) -> int:
        return self.counts.total()

    def dates(self, event_types: frozenset[str] | None = None) -> set[date]:
        """Dates on which new events of these types occurred."""
        return {day for event_type, day in self.counts if event_types is None or event_type in event_types}


class LogIncomplete(RuntimeError):
    """Bronze's log or files no longer tell what came since; everything must be computed anew."""


def _app_id(bronze: DeltaTable) -> str:
    return f"silver-of-{bronze.metadata().id}"


def last_version(bronze: DeltaTable, lake_uri: str | None = None) -> int | None:
    """Bronze version that the last silver run reached; None before the first, or when bronze was created anew."""
    runs = open_table(RUNS, lake_uri)
    return None if runs is None else runs.transaction_version(_app_id(bronze))


def changes_since(bronze: DeltaTable, since: int | None) -> Changes:
    """What came after a version, up to the version of the given handle. Falls back to everything where the log is cut."""
    through = bronze.version()
    files = PyFileSystem(DeltaStorageHandler.from_table(bronze._table))
    if since is not None and since <= through:
        try:
            paths = _added_files(files, since + 1, through)
            return Changes(_count(paths, files), since, through)
        except (LogIncomplete, FileNotFoundError):
            pass  # cleaned-up log or vacuumed file: the whole table below gives the same silver, only later
    paths = [unquote(path) for path in pa.table(bronze.get_add_actions())["path"].to_pylist()]
    return Changes(_count(paths, files), None, through)


def _added_files(files: PyFileSystem, first: int, last: int) -> list[str]:
    """Data files that the commits first … last added."""
    paths: list[str] = []
    for version in range(first, last + 1):
        try:
            text = files.open_input_stream(f"_delta_log/{version:020d}.json").read()
        except (FileNotFoundError, OSError) as error:
            raise LogIncomplete(f"commit {version} of bronze is no longer in its log") from error
        for line in text.splitlines():
            added = json.loads(line).get("add")
            if added and added.get("dataChange", True):
                paths.append(unquote(added["path"]))
    return paths


def _count(paths: list[str], files: PyFileSystem) -> Counter[tuple[str, date]]:
    """Events in these files by type and occurred date."""
    if not paths:
        return Counter()
    rows = ds.dataset(paths, filesystem=files, format="parquet").to_table(columns=["event_type", "occurred_at"])
    days = pc.cast(pc.floor_temporal(rows["occurred_at"], unit="day"), pa.timestamp("us", tz="UTC"))
    grouped = (
        pa.table({"event_type": rows["event_type"], "day": days})
        .group_by(["event_type", "day"])
        .aggregate([([], "count_all")])
    )
    return Counter({(row["event_type"], row["day"].date()): row["count_all"] for row in grouped.to_pylist()})


def record(
    bronze: DeltaTable, changes: Changes, unknown: dict[str, int], finished_at: datetime, seconds: float,
    lake_uri: str | None = None,
) -> None:  # fmt: skip
    """Append the run to silver/runs; from now on the next run starts behind ``changes.through``."""
    row: dict[str, Any] = {
        "finished_at": finished_at,
        "bronze_id": str(bronze.metadata().id),
        "from_version": changes.since,
        "to_version": changes.through,
        "events": changes.events,
        "dates": len(changes.dates()),
        "unknown_types": json.dumps(unknown, sort_keys=True),
        "seconds": seconds,
    }
    write_deltalake(
        uri(RUNS, lake_uri),
        pa.Table.from_pylist([row], schema=RUNS.schema),
        mode="append",
        commit_properties=CommitProperties(app_transactions=[Transaction(_app_id(bronze), changes.through)]),
    )
