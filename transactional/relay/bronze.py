"""How far bronze has come, read from the Delta table's application transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lakefront.lake import bronze

log = structlog.get_logger("relay")


class Bronze:
    """A handle on bronze that is brought up to date each time it is asked."""

    def __init__(self, lake_uri: str) -> None:
        self._lake_uri = lake_uri
        self._table: DeltaTable | None = None

    async def committed_positions(self, partitions: Collection[int]) -> dict[int, int] | None:
        """Greatest outbox position in bronze for each partition; None while bronze cannot be read."""
        return await asyncio.to_thread(self._read, list(partitions))

    def _read(self, partitions: list[int]) -> dict[int, int] | None:
        try:
            if self._table is None:
                self._table = DeltaTable(bronze.events_uri(self._lake_uri))
            else:
                self._table.update_incremental()
            return bronze.committed_positions(self._table, partitions)
        except TableNotFoundError:
            self._table = None
            return None
        except (DeltaError, OSError) as error:
            # Rows stay in the outbox until bronze can be read again.
            log.warning("bronze cannot be read", error=str(error))
            self._table = None
            return None
