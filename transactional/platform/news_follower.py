"""How a worker hears what has changed: it tails the stream of ``invalidations`` and keeps its caches true."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from weakref import WeakKeyDictionary

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from lakefront.redis_connection import RedisConnection
from transactional.platform.cache import KINDS, MEMORY, Memory
from transactional.platform.core import Core
from transactional.platform.database import Database
from transactional.platform.invalidations import STREAM, News
from transactional.platform.shared_answers import SharedAnswers

FRESH_SECONDS = 3.0
"""For so long a teller's word counts, from the moment of which it speaks."""
_BLOCK_MILLISECONDS = 1000
_DEADLINE_SECONDS = 2.0
_AT_ONCE = 500
_MOST_TELLERS = 64
_PAUSE_SECONDS = 0.25

HEARD = Counter("lakefront_cache_news", "Entries of the invalidation stream that workers have read.")
CLEARED = Counter("lakefront_cache_cleared", "Times that a worker cleared its caches because news may have been lost.")
log = structlog.get_logger(__name__)


class Follower:
    """Reads the stream for one worker and keeps its caches true."""

    def __init__(self, store: RedisConnection, partitions: int, memory: Memory = MEMORY) -> None:
        self._store = store
        self._partitions = range(partitions)
        self._memory = memory
        self._last: str | None = None
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._told: dict[int, float] = {}
        self._failures = 0

    @property
    def place(self) -> str | None:
        """Id of the last entry that was read, None while what is kept is not trusted."""
        return self._last if time.monotonic() < self._memory.followed_until else None

    async def run(self) -> None:
        """Follow until cancelled. While Redis is away nothing is trusted for long; it is tried again and again."""
        try:
            while True:
                try:
                    await self.read()
                    self._failures = 0
                except (RedisError, OSError, TimeoutError, ValueError) as error:
                    self._failures += 1
                    if self._failures in (1, 10) or self._failures % 100 == 0:
                        reason = str(error) or type(error).__name__
                        log.warning("cache_news_not_read", error=reason, failures=self._failures)
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._memory.followed_until = 0.0

    async def read(self) -> int:
        """Read what there is, or wait for it a second; how many entries came."""
        async with asyncio.timeout(_DEADLINE_SECONDS):
            if self._last is None:
                self._last = await self._end()
                self._clear("this worker begins to listen")
            command = ("XREAD", "COUNT", _AT_ONCE, "BLOCK", _BLOCK_MILLISECONDS, "STREAMS", STREAM, self._last)
            [reply] = await self._store.ask([command])
            if reply is None:
                await self._notice_a_new_stream()
                return 0
        entries = reply[0][1]
        for identity, fields in entries:
            self._last = identity.decode()
            try:
                self._hear(News.of(fields))
            except ValueError as error:
                self._clear(str(error))
        HEARD.inc(len(entries))
        return len(entries)

    async def _end(self) -> str:
        """Id of the last entry, "0-0" of an empty stream."""
        [found] = await self._store.ask([("XREVRANGE", STREAM, "+", "-", "COUNT", 1)])
        return found[0][0].decode() if found else "0-0"

    async def _notice_a_new_stream(self) -> None:
        """A Redis that lost its data may give ids that were there before; after those nothing would ever be read."""
        end = await self._end()
        if self._last is not None and _place(end) < _place(self._last):
            self._last = end
            self._clear("the stream begins anew")

    def _hear(self, news: News) -> None:
        known = self._numbers.get(news.teller)
        if news.is_all or known is None or news.number != known + 1:
            self._clear("everything may be old" if news.is_all else "news is missing")
        else:
            self._memory.apply(news.topics)
        self._numbers[news.teller] = news.number
        self._numbers.move_to_end(news.teller)
        while len(self._numbers) > _MOST_TELLERS:
            self._numbers.popitem(last=False)
        # A clock that is behind the teller's must not make the word live longer.
        until = time.monotonic() + FRESH_SECONDS - max(0.0, time.time() - news.read_at)
        for partition in news.partitions:
            self._told[partition] = max(until, self._told.get(partition, 0.0))
        self._memory.followed_until = min(self._told.get(partition, 0.0) for partition in self._partitions)

    def _clear(self, reason: str) -> None:
        CLEARED.inc()
        log.info("caches_cleared", reason=reason)
        self._memory.clear()


def _place(identity: str) -> tuple[int, int]:
    milliseconds, _, number = identity.partition("-")
    return int(milliseconds), int(number or 0)


_following: WeakKeyDictionary[Database, tuple[asyncio.Task[None], RedisConnection]] = WeakKeyDictionary()
_shared: WeakKeyDictionary[Database, SharedAnswers] = WeakKeyDictionary()


async def follow_news(core: Core) -> None:
    """Begin to keep this worker's caches true."""
    connection = RedisConnection(core.settings.store_url)  # its own, since it waits for news
    follower = Follower(connection, core.settings.bus_partitions)
    _shared[core.db] = SharedAnswers(core.store, follower, int(KINDS["product"].seconds))
    _following[core.db] = asyncio.create_task(follower.run()), connection


async def stop_following(core: Core) -> None:
    """Stop it."""
    if (shared := _shared.pop(core.db, None)) is not None:
        await shared.close()
    if (following := _following.pop(core.db, None)) is not None:
        task, connection = following
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.close()


def shared_pages(core: Core) -> SharedAnswers | None:
    """Product pages that this worker shares with others; None for one that follows no news."""
    return _shared.get(core.db)
