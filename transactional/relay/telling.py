"""What the relay tells the API's workers of the events that it publishes, so that they forget what has become old.

It tells before it notes an event as published, so that one which dies in between leaves nothing untold: its successor begins by
saying that everything may be old, as does a teller to whom the store did not answer. The bus never waits for the store.
Stock is told at once and then at most once a second a product.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from redis.exceptions import RedisError

from lakefront.breaker import CircuitBreaker, CircuitOpen
from lakefront.contracts.commerce import ProductListed, SellerChanged, StockChanged
from lakefront.contracts.reviews import ReviewChanged
from lakefront.ids import new_id
from lakefront.redis_connection import RedisConnection
from transactional.platform.database import Connection
from transactional.platform.invalidations import News, tell
from transactional.relay import store

BEAT_SECONDS = 0.5
STOCK_SECONDS = 1.0
_DEADLINE_SECONDS = 0.25
_BREAKER_SECONDS = 0.5
_OVERLAP = timedelta(seconds=10)
"""A cart's transaction may commit so long after the moment that it writes."""
_MOST_REMEMBERED = 50_000
_CONCERNS = (b'"product_id"', SellerChanged.event_type.encode())
log = structlog.get_logger("relay")


class Coalesced:
    """Lets a subject through at once, and then at most once in so many seconds, always with a last time after the last
    change."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._told: dict[str, float] = {}
        self._waiting: dict[str, None] = {}

    def add(self, subjects: Iterable[str]) -> None:
        """These have changed."""
        self._waiting.update(dict.fromkeys(subjects))

    def due(self) -> list[str]:
        """What is to be told now."""
        if not self._waiting:
            return []
        now = self._now()
        due = [each for each in self._waiting if now - self._told.get(each, -self._seconds) >= self._seconds]
        for each in due:
            del self._waiting[each]
            self._told[each] = now
        if len(self._told) > _MOST_REMEMBERED:
            self._told = {each: told for each, told in self._told.items() if now - told < self._seconds}
        return due


@dataclass(slots=True)
class Changed:
    """What events have made old."""

    products: set[str] = field(default_factory=set)
    """Their pages, and any list."""
    stock: set[str] = field(default_factory=set)
    """Their pages."""
    is_listing: bool = False
    is_availability: bool = False
    """Something is sold out, or can be bought again."""
    is_seller: bool = False
    """A seller that may be named by any page is called otherwise, or does not sell any more."""

    def note(self, event_type: str, data: dict[str, Any]) -> None:
        """An event that names a product says that it has changed; one of stock, that its stock has."""
        if event_type == SellerChanged.event_type:
            self.is_seller = self.is_seller or data["previous_status"] is not None
            return
        product = data.get("product_id")
        if not isinstance(product, str):
            return
        if event_type == ReviewChanged.event_type and not data["is_public"]:
            return  # it waits, or is rejected: the shop shows what it did
        if event_type == StockChanged.event_type:
            self.stock.add(product)
            if data["available"] <= 0 or data["available"] - data["change"] <= 0:
                self.is_availability = True
            return
        self.products.add(product)
        if event_type == ProductListed.event_type:
            self.is_listing = True


class Teller:
    """The voice of one relay's session."""

    def __init__(self, connection: Connection, store_of_caches: RedisConnection) -> None:
        self._connection = connection
        self._store = store_of_caches
        self._breaker = CircuitBreaker("store of caches", failures_to_open=1, seconds_open=_BREAKER_SECONDS)
        self._name = str(new_id())
        self._number = 0
        self._is_all = True
        self._stock = Coalesced(STOCK_SECONDS)
        self._parents: dict[str, str | None] = {}
        self._held: dict[str, datetime] = {}
        self._next_beat = 0.0
        self._waited_for: tuple[float, dict[int, int]] | None = None

    async def published(self, payloads: Iterable[bytes]) -> None:
        """Tell of events that are on the bus; raises nothing of Redis's."""
        changed = Changed()
        for payload in payloads:
            if not any(each in payload for each in _CONCERNS):
                continue
            for line in payload.split(b"\n"):
                try:
                    event = orjson.loads(line)
                    changed.note(event["event_type"], event["data"])
                except (ValueError, KeyError, TypeError, AttributeError):  # what it changed nobody knows
                    log.warning("event_not_understood", line=line[:200])
                    self._is_all = True
        await self._learn_parents(changed.products | changed.stock)
        self._stock.add(self._shown_on(changed.stock))
        topics: dict[str, list[str]] = {}
        if changed.products:
            topics["product"] = self._shown_on(changed.products)
        if changed.is_listing:
            topics["listing"] = []
        if changed.is_availability:
            topics["availability"] = []
        if changed.is_seller:  # rare, and its pages may be any: nobody counts them
            topics["seller"] = []
            self._is_all = True
        await self._send(topics)

    async def flush(self) -> None:
        """Tell of stock that had to wait."""
        await self._send({})

    async def beat(self, read_at: float, partitions: Collection[int], is_numbered: bool) -> None:
        """Say how far everything is told, when that is due. ``read_at``: before the outbox's rows were last numbered,
        all of them if ``is_numbered``. Until what was numbered then is published, nothing is said."""
        if self._waited_for is None or self._waited_for[1].keys() != set(partitions):
            if not is_numbered or time.monotonic() < self._next_beat:
                return
            self._waited_for = (read_at, {})
        progress = await store.progress(self._connection, partitions)
        looked_at, wanted = self._waited_for
        if not wanted:
            wanted.update({each.partition: each.numbered for each in progress})
            if 0 in wanted:
                self._stock.add(await self._newly_held())
        if any(each.published < wanted.get(each.partition, 0) for each in progress):
            return
        self._waited_for = None
        self._next_beat = time.monotonic() + BEAT_SECONDS
        await self._send({}, looked_at, tuple(sorted(wanted)))

    async def _newly_held(self) -> list[str]:
        """Products of which carts hold something that they did not when this was asked last. No event tells of it."""
        held = await store.held_in_carts(self._connection, _OVERLAP)
        new = {product for product, until in held.items() if self._held.get(product) != until}
        self._held = held
        await self._learn_parents(new)
        return self._shown_on(new)

    async def _learn_parents(self, products: set[str]) -> None:
        """A variant is shown on its product's page, too. A product's parent never changes."""
        unknown = products - self._parents.keys()
        if not unknown:
            return
        if len(self._parents) + len(unknown) > _MOST_REMEMBERED:
            self._parents.clear()
            unknown = products
        found = await store.parents(self._connection, unknown)
        self._parents.update(dict.fromkeys(unknown))
        self._parents.update(found)

    def _shown_on(self, products: Iterable[str]) -> list[str]:
        pages = dict.fromkeys(products)
        parents = [parent for product in pages if (parent := self._parents.get(product)) is not None]
        return list(pages | dict.fromkeys(parents))

    async def _send(self, topics: dict[str, list[str]], read_at: float = 0.0, partitions: tuple[int, ...] = ()) -> None:
        if self._breaker.is_open:
            self._is_all = self._is_all or bool(topics)
            return
        if stock := self._stock.due():
            topics["stock"] = stock
        if not topics and not partitions:
            return
        self._number += 1
        news = News(self._name, self._number, read_at, partitions, self._is_all, topics)
        try:
            self._breaker.check()
            async with asyncio.timeout(_DEADLINE_SECONDS):
                await tell(self._store, news)
        except (RedisError, OSError, TimeoutError, CircuitOpen) as error:
            if not self._is_all:
                log.warning("cache_news_not_told", error=str(error) or type(error).__name__)
            self._is_all = True
            self._breaker.failed()
            return
        self._breaker.succeeded()
        self._is_all = False
