"""The one who writes the index: reads news from the bus and brings the products that it names up to date.

An event only says which product to look at; what it is now is read from PostgreSQL. So events may come twice, late or in any
order, and the index can never go back to an older state. What the bus lost, or let go before it was read, shows as a gap in
the outbox's positions, and then the index is built anew while the old one serves.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Collection

import psycopg
from prometheus_client import Histogram
from psycopg_pool import PoolTimeout

from lakefront.bus import STREAMS, Bus, BusError
from lakefront.clock import real_now
from lakefront.telemetry import logger
from transactional.platform.database import Database
from transactional.search.building import BuildUnderWay, build, put_products, read_popularity
from transactional.search.index import Generation, IndexBroken, IndexFolder, IndexLocked, Progress
from transactional.search.news import NewsLost, read_news

ROUND_SECONDS = 0.5
"""News of this long share one commit."""
PROGRESS_SECONDS = 60.0
POPULARITY_SECONDS = 600.0
_SHORTEST_WAIT, _LONGEST_WAIT = 0.2, 5.0
LATENCY = Histogram(
    "lakefront_search_index_seconds",
    "Real time from the recording of a change to the commit of the index that has it.",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 60, 600),
)
log = logger("search_writer")


class Replaced(RuntimeError):
    """Another generation is in force."""


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
        self._committed_at = 0.0
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
        self._committed_at = time.monotonic()
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
        except (
            NewsLost,
            BusError,
            psycopg.OperationalError,
            PoolTimeout,
            OSError,
            IndexBroken,
            BuildUnderWay,
        ) as error:
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

        Where nothing concerns the index it is committed now and then how far was read: the bus keeps news for minutes, and a
        writer that starts again must find what comes next.
        """
        news = await read_news(self._bus, self._progress, wait_ms=wait_ms)
        if news.named:
            await self._put(list(news.named), news.progress)
            now = real_now()
            for recorded_at in news.named.values():
                LATENCY.observe(max((now - recorded_at).total_seconds(), 0.0))
        elif news.packs and time.monotonic() - self._committed_at >= PROGRESS_SECONDS:
            await self._put((), news.progress)
        self._progress = news.progress
        return news.packs

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
        await put_products(self._generation, self._db, product_ids)
        await asyncio.to_thread(self._generation.commit, progress)
        self._committed_at = time.monotonic()

    def _places(self) -> set[tuple[str, int]]:
        return {(stream, partition) for stream in STREAMS for partition in range(self._partitions)}


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
