"""Bronze as the lake writer commits to it: rows and how far they reach in one Delta commit, so exactly once.

Delta records an application transaction but does not refuse a repeated one, so it is checked here, on the very handle
that commits; and a handle that another writer has overtaken is refused by Delta itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from lakefront.clock import real_now
from lakefront.lake import bronze
from pipelines.streaming.packs import with_written_at

Place = tuple[str, int]


class Overtaken(RuntimeError):
    """Another writer has committed what this one was about to. Load the table again and begin from there."""


class BronzeTable:
    """One handle on bronze and how far each partition is committed in it, for one generation of the bus."""

    def __init__(self, table: DeltaTable, generation: str, places: Iterable[Place]) -> None:
        self._table = table
        self.generation = generation
        self.committed = {place: self._version(place) for place in places}

    @classmethod
    def load(cls, lake_uri: str, generation: str, places: Iterable[Place]) -> BronzeTable:
        """Open bronze afresh; it is made if it does not exist."""
        return cls(bronze.create(lake_uri), generation, places)

    def _version(self, place: Place) -> int:
        return self._table.transaction_version(bronze.app_id(*place, self.generation)) or 0

    def commit(self, rows: pa.Table, reached: Mapping[Place, int]) -> int:
        """Append rows that bring partitions to where ``reached`` says. Returns the version of the table."""
        moved = {place: version for place, version in reached.items() if version != self.committed[place]}
        self._table.update_incremental()
        for place in moved:
            if self._version(place) != self.committed[place]:
                raise Overtaken(f"{place} stands at {self._version(place)}, not at {self.committed[place]}")
        transactions = [
            Transaction(bronze.app_id(*place, self.generation), version) for place, version in moved.items()
        ]
        try:
            write_deltalake(
                self._table,
                with_written_at(rows, real_now()),
                mode="append",
                commit_properties=CommitProperties(app_transactions=transactions),
            )
        except CommitFailedError as error:
            raise Overtaken(str(error)) from error
        self.committed |= moved
        return int(self._table.version())
