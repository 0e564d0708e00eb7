"""Reading the shop for the index, and building a new generation out of PostgreSQL while the old one serves."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from psycopg.rows import class_row

from lakefront.bus import STREAMS, Bus
from lakefront.bus.offsets import offset_at
from lakefront.clock import real_now
from transactional.platform.database import Database
from transactional.search import store
from transactional.search.index import Generation, IndexFolder, ProductDocument, Progress
from transactional.search.news import PACKS_AT_ONCE, read_news

PAGE = 2_000
READ_AT_ONCE = 1_000
NEWS_SECONDS = 20.0
OVERLAP_SECONDS = 300
"""How much older news a new generation reads again: clocks of two machines may differ, and reading twice changes nothing."""


class BuildUnderWay(RuntimeError):
    """Another process builds a generation just now."""


async def read_products(db: Database, product_ids: Sequence[str]) -> dict[str, ProductDocument | None]:
    """What some products, or the products of some variants, are now; None for what is not in the index (any more)."""
    async with db.connection() as connection, connection.cursor(row_factory=class_row(ProductDocument)) as cursor:
        await cursor.execute(store.PRODUCTS, {"product_ids": list(product_ids)})
        found = {product.id: product if product.is_active else None for product in await cursor.fetchall()}
    return dict.fromkeys(product_ids) | found


async def put_products(generation: Generation, db: Database, product_ids: Collection[str]) -> None:
    """Put what products are now in the place of what the generation has of them; nothing is seen before its commit."""
    ids = list(product_ids)
    for first in range(0, len(ids), READ_AT_ONCE):
        found = await read_products(db, ids[first : first + READ_AT_ONCE])
        await asyncio.to_thread(_put, generation, found)


def _put(generation: Generation, found: Mapping[str, ProductDocument | None]) -> None:
    generation.put((each, None if product is None else product.document()) for each, product in found.items())


async def read_popularity(db: Database) -> dict[str, int]:
    """Units of each product in the latest orders, as last counted."""
    async with db.connection() as connection:
        cursor = await connection.execute(store.POPULARITY)
        return {product_id: int(units) for product_id, units in await cursor.fetchall()}


async def where_the_bus_stands(bus: Bus, partitions: int) -> Progress:
    """Where to read on from after a look at PostgreSQL that begins now."""
    since = offset_at(int((real_now().timestamp() - OVERLAP_SECONDS) * 1000))
    return Progress(
        await bus.generation(),
        {(stream, partition): since for stream in STREAMS for partition in range(partitions)},
        {partition: await bus.last_position(partition) for partition in range(partitions)},
    )


async def build(
    folder: IndexFolder, db: Database, bus: Bus, partitions: int, tell: Callable[[int], None] = lambda _: None
) -> tuple[str, int]:
    """Build a generation from scratch and put it in force; its name, and how many products it has.

    The bus's place is taken before the first row is read: what changes meanwhile is read from the bus, also during the build,
    since the bus keeps news for minutes and a large shop takes longer. Raises BuildUnderWay and NewsLost.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    with _alone(folder.root / "build.lock"):
        progress = await where_the_bus_stands(bus, partitions)
        name = folder.new_name()
        try:
            number = await _fill(folder.path(name), db, bus, progress, tell)
        except BaseException:
            folder.remove(name)
            raise
        await asyncio.to_thread(folder.switch, name)
    return name, number


async def _fill(path: Path, db: Database, bus: Bus, progress: Progress, tell: Callable[[int], None]) -> int:
    generation = await asyncio.to_thread(Generation.create, path)
    number, after = 0, str(UUID(int=0))
    changed: set[str] = set()
    read_at = time.monotonic()
    try:
        while page := await _page(db, after):
            await asyncio.to_thread(_add, generation, page)
            number, after = number + len(page), page[-1].id
            tell(number)
            if time.monotonic() - read_at >= NEWS_SECONDS:
                progress = await _read_all(bus, progress, changed)
                read_at = time.monotonic()
        progress = await _read_all(bus, progress, changed)
        await put_products(generation, db, changed)
        await asyncio.to_thread(generation.commit, progress)
    except BaseException:
        await asyncio.to_thread(generation.close)
        raise
    await asyncio.to_thread(generation.finish)
    return number


async def _read_all(bus: Bus, progress: Progress, changed: set[str]) -> Progress:
    """Add what the bus's news names, as far as there is some now."""
    while True:
        news = await read_news(bus, progress, wait_ms=1)
        changed.update(news.named)
        progress = news.progress
        if news.packs < PACKS_AT_ONCE:
            return progress


def _add(generation: Generation, page: Sequence[ProductDocument]) -> None:
    generation.add(product.document() for product in page)


async def _page(db: Database, after: str) -> list[ProductDocument]:
    async with db.connection() as connection, connection.cursor(row_factory=class_row(ProductDocument)) as cursor:
        await cursor.execute(store.PRODUCTS_AFTER, {"after": after, "limit": PAGE})
        return await cursor.fetchall()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildUnderWay("another process builds the index just now") from None
        yield
