"""The relay's rules: number, publish in that order, remember; delete only what bronze has; send again what was lost.

It may die between any two lines. Numbering is one statement; publishing comes before remembering it, so that a crash in
between sends packs twice, never not at all, and the lake writer recognises positions that it has.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from lakefront.bus import COMMERCE, PACK_LIMIT, Bus, BusError, Pack
from transactional.platform.database import Connection
from transactional.relay import store
from transactional.relay.bronze import Bronze
from transactional.relay.telling import Teller

NUMBER_LIMIT = 20_000
PUBLISH_LIMIT = 1_000
"""Rows of one partition in one publication; halved while the bus is too slow for it."""
AHEAD_LIMIT = 100_000
"""Events of one partition that may wait on the bus for bronze; the rest waits in PostgreSQL."""
DELETE_LIMIT = 10_000
BUS_CHECK_SECONDS = 0.5
BRONZE_CHECK_SECONDS = 2.0
LOCK_RETRY_SECONDS = 1.0

log = structlog.get_logger("relay")


class Timer:
    """Something that is due every so often, and at once in the beginning."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def is_due(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._seconds
        return True

    def bring_forward(self) -> None:
        self._next = 0.0


class Relay:
    """The work on one PostgreSQL session; its advisory locks make it the only relay of the partitions it holds."""

    def __init__(
        self,
        connection: Connection,
        bus: Bus,
        bronze: Bronze,
        *,
        partitions: int,
        poll_seconds: float,
        teller: Teller | None = None,
    ) -> None:
        self._connection = connection
        self._bus = bus
        self._bronze = bronze
        self._teller = teller
        self._partitions = range(partitions)
        self._poll_seconds = poll_seconds
        self._held: set[int] = set()
        self._publish_limit = PUBLISH_LIMIT
        self._has_backlog = True
        self._lock_retry = Timer(LOCK_RETRY_SECONDS)
        self._bus_check = Timer(BUS_CHECK_SECONDS)
        self._bronze_check = Timer(BRONZE_CHECK_SECONDS)
        self._bus_failures = 0

    async def run(self, is_stopping: Callable[[], bool]) -> None:
        """Work until asked to stop. A bus that is away is waited for; an error of PostgreSQL ends the session."""
        await store.ensure_progress(self._connection, self._partitions)
        while not is_stopping():
            try:
                is_idle = not await self.step()
                self._bus_failures = 0
            except BusError as error:
                await self._wait_for_bus(error)
                continue
            if is_idle:
                await asyncio.sleep(self._poll_seconds if self._held else LOCK_RETRY_SECONDS)

    async def step(self) -> bool:
        """One round. True when there was something to do, so that the next round should follow at once."""
        await self._take_locks()
        if not self._held:
            return False
        if self._bronze_check.is_due():
            await self._follow_bronze()
        if self._bus_check.is_due():
            await self._check_bus()
        looked_at = time.time()
        numbered = await store.number(self._connection, self._held, NUMBER_LIMIT)
        if numbered:
            self._has_backlog = True
        if self._has_backlog:
            self._has_backlog = await self._publish() > 0
        if self._teller is not None:
            await self._teller.flush()
            await self._teller.beat(looked_at, self._held, numbered < NUMBER_LIMIT)
        return self._has_backlog

    async def _take_locks(self) -> None:
        missing = [partition for partition in self._partitions if partition not in self._held]
        if not missing or not self._lock_retry.is_due():
            return
        taken = await store.try_locks(self._connection, missing)
        if taken:
            log.info("partitions taken", partitions=sorted(taken))
            self._held |= taken
            self._bronze_check.bring_forward()
            self._bus_check.bring_forward()
            self._has_backlog = True

    async def _publish(self) -> int:
        """Put the next packs of all held partitions on the bus and remember how far; returns how many rows."""
        rows = await store.packs(
            self._connection, self._held, limit=self._publish_limit, pack=PACK_LIMIT, ahead=AHEAD_LIMIT
        )
        if not rows:
            return 0
        await self._bus.publish(
            [
                Pack(COMMERCE, row.partition, row.payload, row.count, row.first_position, row.last_position)
                for row in rows
            ]
        )
        self._publish_limit = min(PUBLISH_LIMIT, self._publish_limit * 2)
        if self._teller is not None:
            await self._teller.published(row.payload for row in rows)
        await store.published(self._connection, {row.partition: row.last_position for row in rows})
        return sum(row.count for row in rows)

    async def _follow_bronze(self) -> None:
        """Delete the rows whose position bronze has committed."""
        positions = await self._bronze.committed_positions(self._held)
        if positions is None:
            return
        await store.committed(self._connection, positions)
        if await store.delete_committed(self._connection, self._held, DELETE_LIMIT) == DELETE_LIMIT:
            self._bronze_check.bring_forward()
        self._has_backlog = True  # a partition that was too far ahead may go on

    async def _check_bus(self) -> None:
        """Send again what the bus has lost, and what the lake writer asks for."""
        generation = await self._bus.generation()
        wanted = {p: after for p, after in (await self._bus.take_resend_requests()).items() if p in self._held}
        for partition in await store.progress(self._connection, self._held):
            on_bus = await self._bus.last_position(partition.partition)
            is_new = partition.bus_generation not in (None, generation)
            if partition.published > partition.committed and (is_new or on_bus < partition.published):
                log.warning(
                    "the bus lost events, sending them again", partition=partition.partition, on_bus=on_bus,
                    published=partition.published, committed=partition.committed,
                )  # fmt: skip
                wanted[partition.partition] = partition.committed
            if wanted.get(partition.partition, partition.committed) < partition.committed:
                log.error(
                    "bronze asks for events that it had committed before and that are deleted here: was it replaced?",
                    partition=partition.partition, after=wanted[partition.partition], committed=partition.committed,
                )  # fmt: skip
        if wanted:
            log.info("sending again", after=wanted)
            await store.rewind(self._connection, wanted)
            self._has_backlog = True
        await store.set_generation(self._connection, self._held, generation)

    async def _wait_for_bus(self, error: BusError) -> None:
        self._bus_failures += 1
        self._publish_limit = max(PACK_LIMIT, self._publish_limit // 2)
        self._bus_check.bring_forward()
        self._has_backlog = True
        if self._bus_failures in (1, 10) or self._bus_failures % 100 == 0:
            log.warning("waiting for the bus", failures=self._bus_failures, error=str(error))
        await asyncio.sleep(min(2.0, 0.05 * 2 ** min(self._bus_failures, 6)))
