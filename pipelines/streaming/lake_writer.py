"""The lake writer: from the bus into bronze, exactly once. ``python -m pipelines.streaming.lake_writer``.

It reads all partitions of both streams, collects events for ``lake_writer_flush_seconds`` or until a batch is full, and
commits them together with how far it has come. It keeps no state of its own: after a crash it goes on from what bronze
says. A lease on the bus keeps a second writer waiting; should two ever write, bronze refuses the one that is behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
import uuid

import structlog
from deltalake.exceptions import DeltaError

from lakefront import telemetry
from lakefront.bus import COMMERCE, STREAMS, Bus, BusError, connect
from lakefront.bus.offsets import offset_at
from lakefront.settings import Settings, settings
from pipelines.streaming.bronze_table import BronzeTable, Overtaken
from pipelines.streaming.intake import CONSUMER, Intake
from pipelines.streaming.packs import to_rows

BATCH_EVENTS = 20_000
READ_PACKS = 25
"""Packs of one partition in one read; with 8 partitions about a full batch, so memory stays bounded."""
IDLE_WAIT_SECONDS = 0.5
GATHER_SECONDS = 0.1
LEASE_SECONDS = 5.0
LEASE_RENEWAL_SECONDS = 1.0
RESEND_SECONDS = 1.0
TRIM_SECONDS = 5.0
KEEP_SECONDS = 300.0
"""Committed entries stay on the bus this long, for the other consumers."""

log = structlog.get_logger("lake-writer")


class LeaseLost(RuntimeError):
    """Another lake writer works now."""


class LakeWriter:
    """One writer. ``run`` works until asked to stop; a bus or lake that is away is waited for."""

    def __init__(self, bus: Bus, lake_uri: str, *, partitions: int, flush_seconds: float) -> None:
        self._bus = bus
        self._lake_uri = lake_uri
        self._places = [(stream, partition) for stream in STREAMS for partition in range(partitions)]
        self._flush_seconds = flush_seconds
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._stopping = asyncio.Event()
        self._lease_renewed = 0.0
        self._resend_asked = 0.0
        self._trimmed = 0.0
        self._waiting_since = 0.0

    def stop(self) -> None:
        """Commit what waits and leave ``run``."""
        self._stopping.set()

    async def run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._hold_lease()
                await self._session()
                failures = 0
            except LeaseLost:
                await self._pause(LEASE_RENEWAL_SECONDS)
            except Overtaken as error:
                log.warning("overtaken, beginning again from bronze", error=str(error))
            except (BusError, DeltaError, OSError) as error:
                failures += 1
                log.warning("waiting for bus and lake", failures=failures, error=str(error))
                await self._pause(min(5.0, 0.1 * 2 ** min(failures, 6)))
        try:
            await self._bus.release_lease(CONSUMER, self._holder)
        except BusError as error:
            log.info("the lease ends by itself", error=str(error))

    async def _session(self) -> None:
        """Work from what bronze has, until asked to stop or the bus has new data altogether."""
        generation = await self._bus.generation()
        table = await asyncio.to_thread(BronzeTable.load, self._lake_uri, generation, self._places)
        intake = Intake(table.committed)
        log.info("working", generation=generation)
        try:
            await self._work(table, intake)
        except BusError:
            # What is here came from the bus before it went: safe in bronze even if the bus never comes back.
            await self._commit(table, intake)
            raise

    async def _work(self, table: BronzeTable, intake: Intake) -> None:
        while not self._stopping.is_set():
            await self._hold_lease()
            entries = await self._bus.read(
                intake.read, limit=READ_PACKS, wait_ms=int(self._wait_seconds(intake) * 1000)
            )
            # Asked after the read: had the bus been replaced before it, this would be another generation.
            if entries and await self._bus.generation() != table.generation:
                await self._commit(table, intake)
                log.warning("the bus has lost its data and begins anew")
                return
            had_nothing = not intake.events
            intake.take(entries)
            if had_nothing:
                self._waiting_since = time.monotonic()
            if self._is_due(intake):
                await self._commit(table, intake)
            await self._ask_for_gaps(intake)
            await self._trim(table, intake)
            if entries and len(entries) < READ_PACKS:
                # Events trickle in: let some gather instead of waking up for each.
                await asyncio.sleep(min(GATHER_SECONDS, self._flush_seconds / 4))
        await self._commit(table, intake)

    def _wait_seconds(self, intake: Intake) -> float:
        if not intake.events:
            return IDLE_WAIT_SECONDS
        return min(IDLE_WAIT_SECONDS, max(0.001, self._waiting_since + self._flush_seconds - time.monotonic()))

    def _is_due(self, intake: Intake) -> bool:
        if intake.events >= BATCH_EVENTS or intake.bad:
            return True
        return intake.events > 0 and time.monotonic() - self._waiting_since >= self._flush_seconds

    async def _commit(self, table: BronzeTable, intake: Intake) -> None:
        """Park what is no event, append the rest. Parking comes first and may happen again after a crash."""
        if intake.reached == table.committed and not intake.bad:
            return
        started = time.perf_counter()
        with telemetry.tracer().start_as_current_span("bronze.commit") as span:
            rows, bad = await asyncio.to_thread(to_rows, intake.waiting)
            for line in (*intake.bad, *bad):
                await self._bus.park(
                    line.stream, line.partition, line.offset, line.payload, line.reason, consumer=CONSUMER
                )
                log.warning("parked", stream=line.stream, partition=line.partition, reason=line.reason)
            version = await asyncio.to_thread(table.commit, rows, intake.reached)
            span.set_attribute("events", len(rows))
        intake.clear()
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        log.info("committed", events=len(rows), version=version, milliseconds=milliseconds)

    async def _hold_lease(self) -> None:
        if time.monotonic() - self._lease_renewed < LEASE_RENEWAL_SECONDS:
            return
        if not await self._bus.hold_lease(CONSUMER, self._holder, LEASE_SECONDS):
            raise LeaseLost
        self._lease_renewed = time.monotonic()

    async def _ask_for_gaps(self, intake: Intake) -> None:
        if not intake.gaps or time.monotonic() - self._resend_asked < RESEND_SECONDS:
            return
        self._resend_asked = time.monotonic()
        for partition, position in intake.gaps.items():
            log.warning("held back: events are missing", partition=partition, after=position)
            await self._bus.request_resend(partition, position)

    async def _trim(self, table: BronzeTable, intake: Intake) -> None:
        """Let go of old entries that bronze has. Held-back ones beyond a gap go too: they are sent again."""
        if time.monotonic() - self._trimmed < TRIM_SECONDS or intake.events:
            return
        self._trimmed = time.monotonic()
        old = offset_at(int((time.time() - KEEP_SECONDS) * 1000))
        for place in self._places:
            through = intake.read[place] if place[0] == COMMERCE else table.committed[place]
            if through:
                await self._bus.trim(*place, min(through, old))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


async def main(chosen: Settings) -> None:
    bus = connect(chosen.bus_url)
    writer = LakeWriter(
        bus, chosen.lake_uri, partitions=chosen.bus_partitions, flush_seconds=chosen.lake_writer_flush_seconds
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, writer.stop)
    log.info("lake writer started", lake=chosen.lake_uri)
    try:
        await writer.run()
    finally:
        await bus.close()
    log.info("lake writer stopped")


if __name__ == "__main__":
    telemetry.configure("lake-writer")
    asyncio.run(main(settings()))
