"""Who watches an order hears of each of its facts within a moment.

A worker asks PostgreSQL once every ``POLL_SECONDS`` for news of all orders that are watched in it, in one statement, and not
at all while nobody watches. NOTIFY would tell sooner, and halve the rate of commits of everybody else.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from transactional.orders import store
from transactional.orders.states import MOVES
from transactional.platform.core import Core
from transactional.platform.database import Database
from transactional.platform.errors import Problem
from transactional.platform.query import Row, rows

POLL_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
FAREWELL_SECONDS = 2.0
MOST_WATCHERS = 2000
"""In one worker; more are asked to come again."""
log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Watcher:
    """One listener: how far it has heard, and what it has not taken yet."""

    order_id: UUID
    sequence: int
    news: asyncio.Queue[Row | None] = field(default_factory=asyncio.Queue)
    """Facts; None when the worker stops and the listener has to go on elsewhere."""


class Watch:
    """All who watch orders in this worker."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._watchers: set[_Watcher] = set()
        self._is_ending = False
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._polling: asyncio.Task[None] | None = None

    async def follow(self, order_id: UUID, after: int = 0) -> AsyncGenerator[dict[str, Any]]:
        """The order's facts from ``after`` on, as they happen; ends with the fact after which nothing can follow, or when
        the worker stops.

        Raises Problem 503 when too many watch already.
        """
        if self._is_ending:
            return
        if len(self._watchers) >= MOST_WATCHERS:
            raise Problem(
                503,
                "too_many_watchers",
                "Too many orders are being watched",
                "Ask again shortly.",
                {"Retry-After": "5"},
            )
        watcher = _Watcher(order_id, after)
        self._watchers.add(watcher)
        self._nobody.clear()
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            while True:
                fact = await watcher.news.get()
                if fact is None:
                    return
                yield _told(fact)
                if has_ended(fact["status"] or "pending"):
                    return
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._nobody.set()

    async def _poll(self) -> None:
        """Ask for news until nobody watches any more. Who watches must not wait for ever because one round failed."""
        pause = POLL_SECONDS
        while self._watchers:
            try:
                await self._ask()
                pause = POLL_SECONDS
            except (psycopg.OperationalError, PoolTimeout) as error:
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                log.warning("order_news_wait_for_database", error=str(error), seconds=pause)
            except Exception:
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                log.exception("order_news_failed", seconds=pause)
            await asyncio.sleep(pause)

    async def _ask(self) -> None:
        watchers: dict[UUID, list[_Watcher]] = defaultdict(list)
        for watcher in self._watchers:
            watchers[watcher.order_id].append(watcher)
        known = [min(watcher.sequence for watcher in some) for some in watchers.values()]
        async with self._db.connection() as connection:
            news = await rows(connection, store.NEWS, {"order_ids": list(watchers), "after": known})
        for fact in news:
            for watcher in watchers[fact["order_id"]]:
                if fact["sequence"] > watcher.sequence:
                    watcher.sequence = fact["sequence"]
                    watcher.news.put_nowait(fact)

    async def end(self) -> None:
        """Let everyone who watches go: the worker stops, and an open answer would keep it from stopping."""
        self._is_ending = True
        for watcher in self._watchers:
            watcher.news.put_nowait(None)
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._nobody.wait()
        await asyncio.sleep(0.1)  # the last words are still to be sent

    async def close(self) -> None:
        """Stop asking."""
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling


_watches: WeakKeyDictionary[Database, Watch] = WeakKeyDictionary()


def watch_of(core: Core) -> Watch:
    """The worker's watch."""
    return _watches.setdefault(core.db, Watch(core.db))


async def let_watchers_go(core: Core) -> None:
    """End all live updates of the worker; who listened comes again, and says how far it has heard."""
    await watch_of(core).end()


async def close_watch(core: Core) -> None:
    """Stop the worker's watch."""
    await watch_of(core).close()


def has_ended(status: str) -> bool:
    """Whether an order with this status has nothing before it. A failed one may still be paid."""
    return not MOVES[status]  # type: ignore[index]


def _told(fact: Row) -> dict[str, Any]:
    return {
        "order_id": str(fact["order_id"]),
        "sequence": fact["sequence"],
        "status": fact["status"] or "pending",
        "reason": fact["reason"],
        "at": fact["occurred_at"].isoformat().replace("+00:00", "Z"),
    }
