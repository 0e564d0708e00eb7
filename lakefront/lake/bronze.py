"""Bronze as its writer and the relay agree on it: how far each partition of the bus has been committed.

Delta records one application transaction per partition with each commit. For the outbox its version is the position of
the last event, for clickstream the bus offset of the last pack; since offsets begin anew with the bus's data, their
application id carries the generation of the bus.
"""

from __future__ import annotations

from collections.abc import Iterable

from deltalake import DeltaTable

from lakefront.bus import COMMERCE
from lakefront.lake.tables import EVENTS

CONFIGURATION = {"delta.enableDeletionVectors": "false", "delta.checkpointInterval": "50"}
"""No deletion vectors, so that every reader can read; a checkpoint now and then, so that opening stays quick."""


def events_uri(lake_uri: str) -> str:
    """Address of bronze in a lake."""
    return f"{lake_uri}/{EVENTS.path}"


def app_id(stream: str, partition: int, generation: str) -> str:
    """Application id under which Delta keeps how far a partition has been committed."""
    return f"{stream}-{partition}" if stream == COMMERCE else f"{stream}-{generation}-{partition}"


def create(lake_uri: str) -> DeltaTable:
    """Bronze, made if it does not exist. Safe when several processes try at once."""
    return DeltaTable.create(
        events_uri(lake_uri),
        schema=EVENTS.schema,
        mode="ignore",
        partition_by=list(EVENTS.partitioned_by),
        configuration=CONFIGURATION,
    )


def committed_positions(table: DeltaTable, partitions: Iterable[int]) -> dict[int, int]:
    """Greatest outbox position that a loaded bronze has, for each partition; 0 where it has none."""
    return {partition: table.transaction_version(app_id(COMMERCE, partition, "")) or 0 for partition in partitions}
