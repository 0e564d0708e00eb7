"""The feature writer: events from the bus become stream features in the online store every 100 ms.

``python -m pipelines.streaming.feature_writer``. Offsets stand in the store itself and are written in one transaction
with the features made of them: whatever the store forgets is made again from the bus. One writer works at a time: it
holds a lease on the bus, and the store takes nothing from one that another has replaced.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Any

import orjson
from prometheus_client import Counter, Histogram
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, WatchError

from features.definitions import View
from features.online_writer import add_reads, add_rows, read_answer
from lakefront.bus import STREAMS, Bus, BusError, Entry, connect
from lakefront.clock import real_now
from lakefront.ids import new_id
from lakefront.latency import CLICK_TO_FEATURE, add_samples
from lakefront.settings import Settings, settings
from lakefront.telemetry import configure, logger
from pipelines.streaming.feature_events import Addition, Event, additions, read_event
from pipelines.streaming.feature_state import Place, RecentItems
from pipelines.streaming.sequences import Sequences

CONSUMER = "feature-writer"
PROGRESS_KEY = "lakefront:feature-writer:progress"
FLUSH_SECONDS = 0.1
STORE_DEADLINE_SECONDS = 5.0
LEASE_SECONDS = 5.0
PACKS_AT_ONCE = 20
"""Most packs of a partition in one round, which bounds memory while catching up."""
_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 5.0

EVENTS = Counter("lakefront_feature_writer_events", "Envelopes read from the bus, by what became of them.", ["result"])
GAPS = Counter("lakefront_feature_writer_sequence_gaps", "Events of a key that are missing before one that came.")
LATENCY = Histogram(
    "lakefront_click_to_feature_seconds",
    "Real time from the acceptance of a click to its feature in the online store.",
    buckets=(0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 30, 300),
)
log = logger("feature_writer")


class Replaced(RuntimeError):
    """Another feature writer has taken over."""


class FeatureWriter:
    """Reads the bus, keeps recent items, writes them to the online store."""

    def __init__(self, bus: Bus, store: Redis, partitions: int) -> None:
        self._bus = bus
        self._store = store
        self._partitions = partitions
        self._holder = new_id().hex
        self._generation = ""
        self._offsets: dict[tuple[str, int], int] = {}
        self._recent = RecentItems()
        self._sequences = Sequences()
        self._clicks: list[float] = []
        """Real times at which the clicks were accepted that the next write brings online."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop. What goes wrong with bus or store is retried, from what the store has."""
        wait = _SHORTEST_WAIT
        while not stopping.is_set():
            try:
                if await self._take_over():
                    log.info("started", generation=self._generation)
                    await self._follow(stopping)
                wait = _SHORTEST_WAIT
            except (BusError, RedisError, OSError, TimeoutError, Replaced) as error:
                log.warning("interrupted", error=str(error) or type(error).__name__, retry_seconds=wait)
                wait = min(wait * 2, _LONGEST_WAIT)
            await _pause(stopping, wait)
        try:
            await self._bus.release_lease(CONSUMER, self._holder)
        except BusError as error:
            log.warning("lease_not_released", error=str(error))

    async def _take_over(self) -> bool:
        """Become the one writer and go on from where the store stands; False while another writer works."""
        if not await self._bus.hold_lease(CONSUMER, self._holder, LEASE_SECONDS):
            return False
        self._recent.clear()
        self._clicks.clear()
        await self._store.hset(PROGRESS_KEY, "holder", self._holder)  # type: ignore[misc]
        self._generation = await self._bus.generation()
        progress: dict[bytes, bytes] = await self._store.hgetall(PROGRESS_KEY)  # type: ignore[misc]
        is_known = progress.get(b"generation", b"").decode() == self._generation
        self._offsets = {
            (stream, partition): int(progress.get(f"{stream}:{partition}".encode(), 0)) if is_known else 0
            for stream in STREAMS
            for partition in range(self._partitions)
        }
        return True

    async def _follow(self, stopping: asyncio.Event) -> None:
        """Read and write round by round, about ten a second."""
        renew_at = 0.0
        while not stopping.is_set():
            begun = time.monotonic()
            if begun >= renew_at:
                if not await self._bus.hold_lease(CONSUMER, self._holder, LEASE_SECONDS):
                    raise Replaced("another feature writer holds the lease")
                renew_at = begun + LEASE_SECONDS / 3
            entries = await self._bus.read(self._offsets, limit=PACKS_AT_ONCE, wait_ms=int(FLUSH_SECONDS * 1000))
            if entries:
                await self.process(entries)
            await _pause(stopping, FLUSH_SECONDS - (time.monotonic() - begun))

    async def process(self, entries: Sequence[Entry]) -> None:
        """Bring the events of some packs online. Nothing of them counts as done before all of it is in the store."""
        found: list[tuple[Event, list[Addition]]] = []
        for entry in entries:
            if entry.is_for(CONSUMER):
                found += await self._read(entry)
        wanted = [addition for _, added in found for addition in added]
        await self._seed(self._recent.missing(wanted))
        for event, added in found:
            is_new = [self._recent.add(addition) for addition in added]
            if any(is_new) and event.event_type.startswith("storefront."):
                self._clicks.append(event.recorded_at.timestamp())
        offsets = {(entry.stream, entry.partition): entry.offset for entry in entries}
        await self._write(offsets)
        self._offsets |= offsets

    async def _read(self, entry: Entry) -> list[tuple[Event, list[Addition]]]:
        """The events of a pack that add to features; what cannot be read is parked as a dead letter."""
        found = []
        for place, line in enumerate(entry.payload.split(b"\n")):
            try:
                event = read_event(orjson.loads(line))
                gap = self._sequences.gap(event.key, event.sequence)
                added = additions(event)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                EVENTS.labels("parked").inc()
                reason = f"{type(error).__name__}: {error}"[:500]
                await self._bus.park(
                    entry.stream, entry.partition, entry.offset + place, line, reason, consumer=CONSUMER
                )
                log.warning("event_parked", stream=entry.stream, offset=entry.offset + place, reason=reason)
                continue
            if gap:
                GAPS.inc(gap)
                log.warning("sequence_gap", key=event.key, sequence=event.sequence, missing=gap)
            EVENTS.labels("used" if added else "passed").inc()
            if added:
                found.append((event, added))
        return found

    async def _seed(self, missing: dict[Place, View]) -> None:
        """Take entities that are new to this process from the store."""
        if not missing:
            return
        pipeline = self._store.pipeline(transaction=False)
        add_reads(pipeline, [(view, entity) for (_, entity), view in missing.items()])
        answers: list[list[bytes | None]] = await pipeline.execute()
        for (place, view), values in zip(missing.items(), answers, strict=True):
            self._recent.take(place, view, read_answer(view, values))

    async def _write(self, offsets: dict[tuple[str, int], int]) -> None:
        """Write changed features and offsets in one transaction. Raises Replaced when the store has another writer."""
        rows = self._recent.changed_rows()
        async with self._store.pipeline(transaction=True) as pipeline:
            await pipeline.watch(PROGRESS_KEY)
            holder: bytes | None = await pipeline.hget(PROGRESS_KEY, "holder")  # type: ignore[misc]
            if holder is None or holder.decode() != self._holder:
                raise Replaced("the store has another writer, or was emptied")
            pipeline.multi()
            add_rows(pipeline, rows)
            progress: dict[str, Any] = {f"{stream}:{number}": offset for (stream, number), offset in offsets.items()}
            pipeline.hset(PROGRESS_KEY, mapping={"generation": self._generation, **progress})
            now = real_now().timestamp()
            late = [now - accepted for accepted in self._clicks]
            add_samples(pipeline, CLICK_TO_FEATURE, [seconds * 1000 for seconds in late])
            try:
                await pipeline.execute()
            except WatchError as error:
                raise Replaced("another writer came in between") from error
        for seconds in late:
            LATENCY.observe(max(seconds, 0.0))
        self._clicks.clear()
        self._recent.written()


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until told to stop."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


def open_store(chosen: Settings) -> Redis:
    """The online store, with a deadline and without retries: what fails is done again from what the store has."""
    return Redis.from_url(
        chosen.store_url,
        socket_timeout=STORE_DEADLINE_SECONDS,
        socket_connect_timeout=STORE_DEADLINE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


async def serve(chosen: Settings) -> None:
    """Run a feature writer until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    bus, store = connect(chosen.bus_url), open_store(chosen)
    try:
        await FeatureWriter(bus, store, chosen.bus_partitions).run(stopping)
    finally:
        await store.aclose()
        await bus.close()
    log.info("stopped")


if __name__ == "__main__":
    configure(CONSUMER)
    asyncio.run(serve(settings()))
