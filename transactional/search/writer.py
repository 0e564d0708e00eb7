"""The one who writes the index: reads news from the bus and brings the products that it names up to date.

An event only says which product to look at; what it is now is read from PostgreSQL. So events may come twice, late or in any
order, and the index can never go back to an older state. What the bus lost, or let go before it was read, shows as a gap in
the outbox's positions, and then the index is built anew while the old one serves.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime

import orjson
import psycopg
from prometheus_client import Counter, Histogram
from psycopg_pool import PoolTimeout

from lakefront.bus import COMMERCE, STREAMS, Bus, BusError, Entry
from lakefront.clock import real_now
from lakefront.contracts.commerce import PriceChanged, ProductListed, StockChanged
from lakefront.telemetry import logger
from transactional.platform.database import Database
from transactional.search.building import BuildUnderWay, build, read_popularity, read_products
from transactional.search.index import Generation, IndexBroken, IndexFolder, IndexLocked, ProductDocument, Progress

CONSUMER = "search-writer"
ROUND_SECONDS = 0.5
"""News of this long share one commit."""
PACKS_AT_ONCE = 20
READ_AT_ONCE = 1_000
POPULARITY_SECONDS = 600.0
_SHORTEST_WAIT, _LONGEST_WAIT = 0.2, 5.0
_NEWS = {model.event_type for model in (ProductListed, PriceChanged, StockChanged)}

EVENTS = Counter(
    "lakefront_search_events", "Envelopes that the search writer read, by what became of them.", ["result"]
)
LATENCY = Histogram(
    "lakefront_search_index_seconds",
    "Real time from the recording of a change to the commit of the index that has it.",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 60, 600),
)
log = logger("search_writer")


class Replaced(RuntimeError):
    """Another generation is in force."""


class NewsLost(RuntimeError):
    """The bus no longer has all that came after the index."""


class IndexWriter:
    """Follows the bus and keeps the generation in force up to date. The engine's lock on a generation's folder keeps a second
    writer out; folders of several machines are followed each by a writer of its own."""

    def __init__(self, folder: IndexFolder, db: Database, bus: Bus, partitions: int) -> None:
        self._folder = folder
        self._db = db
        self._bus = bus
        self._partitions = partitions
        self._name = ""
        self._generation: Generation | None = None
        self._progress = Progress()
        self._units: dict[str, int] = {}
        self._look_at_popularity = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop. What goes wrong with bus or database is tried again, from where the index stands."""
        wait = _SHORTEST_WAIT
        while not stopping.is_set():
            try:
                await self.open()
                async for _ in self._rounds(stopping):
                    wait = _SHORTEST_WAIT
            except Replaced as change:
                log.info("reopening", reason=str(change))
            except NewsLost as loss:
                log.warning("rebuilding", reason=str(loss))
                await self._rebuild()
            except IndexBroken as damage:
                log.error("rebuilding", reason=str(damage))
                await self._rebuild()
                wait = _LONGEST_WAIT
            except (BusError, psycopg.OperationalError, PoolTimeout, OSError, IndexLocked, BuildUnderWay) as error:
                log.warning("interrupted", error=str(error) or type(error).__name__, retry_seconds=wait)
                wait = min(wait * 2, _LONGEST_WAIT)
            finally:
                await self.close()
            await _pause(stopping, wait)

    async def open(self) -> None:
        """Open the generation in force; build the first one where there is none. Raises IndexLocked while another process
        writes it, IndexBroken for one that is damaged, and NewsLost when the bus has lost its data."""
        name = self._folder.current()
        if name is None:
            name, number = await build(self._folder, self._db, self._bus, self._partitions)
            log.info("built", generation=name, products=number)
        generation = await asyncio.to_thread(Generation.open, self._folder.path(name))
        self._name, self._generation = name, generation
        try:
            self._progress = Progress.of(generation.index)
        except LookupError as error:
            raise NewsLost(str(error)) from error
        for place in self._places() - set(self._progress.offsets):
            self._progress.offsets[place] = 0
        if self._progress.bus_generation != await self._bus.generation():
            raise NewsLost("the bus has lost its data")
        self._units = await asyncio.to_thread(generation.units_sold)
        self._look_at_popularity = 0.0
        log.info("started", generation=name)

    async def close(self) -> None:
        """Let go of the index."""
        generation, self._generation = self._generation, None
        if generation is not None:
            await asyncio.to_thread(generation.close)

    async def _rebuild(self) -> None:
        await self.close()
        try:
            name, number = await build(self._folder, self._db, self._bus, self._partitions)
        except (BusError, psycopg.OperationalError, PoolTimeout, OSError, IndexBroken, BuildUnderWay) as error:
            log.warning("not_rebuilt", error=str(error) or type(error).__name__)
            return
        log.info("built", generation=name, products=number)

    async def _rounds(self, stopping: asyncio.Event) -> AsyncIterator[None]:
        """A round after another; goes on after each that went well."""
        while not stopping.is_set():
            begun = time.monotonic()
            if self._folder.current() != self._name:
                raise Replaced("another generation is in force")
            await self.read_round(wait_ms=int(ROUND_SECONDS * 1000))
            if time.monotonic() >= self._look_at_popularity:
                await self.refresh_popularity()
                self._look_at_popularity = time.monotonic() + POPULARITY_SECONDS
            yield
            await _pause(stopping, ROUND_SECONDS - (time.monotonic() - begun))

    async def read_round(self, *, wait_ms: int) -> int:
        """Read what the bus has, bring the named products up to date, commit. How many packs were read.

        Where nothing concerns the index nothing is committed: it is read again after a crash, which costs little.
        """
        entries = await self._bus.read(self._progress.offsets, limit=PACKS_AT_ONCE, wait_ms=wait_ms)
        progress = self._progress.copy()
        named: dict[str, datetime] = {}
        for entry in entries:
            self._check_for_a_gap(progress, entry)
            progress.offsets[entry.stream, entry.partition] = entry.offset
            if entry.replay_for == CONSUMER or (entry.stream == COMMERCE and not entry.replay_for):
                named |= await self._named(entry)
        if named:
            await self._put(list(named), progress)
            now = real_now()
            for recorded_at in named.values():
                LATENCY.observe(max((now - recorded_at).total_seconds(), 0.0))
        self._progress = progress
        return len(entries)

    async def refresh_popularity(self) -> int:
        """Bring products up to date whose sales have changed by enough to matter; how many."""
        units = await read_popularity(self._db)
        changed = [
            product_id
            for product_id in units.keys() | self._units.keys()
            if _magnitude(units.get(product_id, 0)) != _magnitude(self._units.get(product_id, 0))
        ]
        self._units = units
        if changed:
            await self._put(changed, self._progress)
        return len(changed)

    async def _put(self, product_ids: Collection[str], progress: Progress) -> None:
        if self._generation is None:
            raise RuntimeError("the index is not open")
        ids = list(product_ids)
        for first in range(0, len(ids), READ_AT_ONCE):
            some = ids[first : first + READ_AT_ONCE]
            found = await read_products(self._db, some)
            await asyncio.to_thread(_put, self._generation, found)
        await asyncio.to_thread(self._generation.commit, progress)

    def _check_for_a_gap(self, progress: Progress, entry: Entry) -> None:
        """The relay may send again, but never leaves out: a position beyond the next one means that news is lost."""
        if entry.stream != COMMERCE or entry.first_position is None:
            return
        known = progress.positions.get(entry.partition, 0)
        if known and entry.first_position > known + 1:
            raise NewsLost(f"partition {entry.partition} goes on at {entry.first_position}, after {known}")
        progress.positions[entry.partition] = max(known, entry.first_position + entry.count - 1)

    async def _named(self, entry: Entry) -> dict[str, datetime]:
        """The products that a pack's events name, with when it was recorded; what cannot be read is parked."""
        found: dict[str, datetime] = {}
        for place, line in enumerate(entry.payload.split(b"\n")):
            try:
                event = orjson.loads(line)
                if event["event_type"] in _NEWS:
                    found[event["data"]["product_id"]] = datetime.fromisoformat(event["recorded_at"])
                    EVENTS.labels("used").inc()
                else:
                    EVENTS.labels("passed").inc()
            except (KeyError, TypeError, ValueError) as error:
                EVENTS.labels("parked").inc()
                reason = f"{type(error).__name__}: {error}"[:500]
                await self._bus.park(
                    entry.stream, entry.partition, entry.offset + place, line, reason, consumer=CONSUMER
                )
                log.warning("event_parked", stream=entry.stream, offset=entry.offset + place, reason=reason)
        return found

    def _places(self) -> set[tuple[str, int]]:
        return {(stream, partition) for stream in STREAMS for partition in range(self._partitions)}


def _put(generation: Generation, found: Mapping[str, ProductDocument | None]) -> None:
    generation.put((each, None if product is None else product.document()) for each, product in found.items())


def _magnitude(units: int) -> int:
    """Sales within half a doubling of each other rank alike."""
    return round(2 * math.log2(1 + units))


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until told to stop."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
