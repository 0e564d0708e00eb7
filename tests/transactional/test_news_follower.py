"""A worker that follows the news: what it forgets, when it trusts what it keeps, and what makes it clear everything."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator

import pytest_asyncio

from lakefront.ids import new_id
from lakefront.redis_connection import RedisConnection
from transactional.platform.cache import Memory, RenderedCache
from transactional.platform.invalidations import STREAM, News, tell
from transactional.platform.news_follower import FRESH_SECONDS, Follower

PARTITIONS = 2
BOTH = (0, 1)


class Worker:
    """The caches of an API worker."""

    def __init__(self, url: str) -> None:
        self.memory = Memory(1024 * 1024)
        self.pages = RenderedCache("product", one_by=("product", "stock"), memory=self.memory)
        self.lists = RenderedCache("product_list", all_by=("product", "availability"), memory=self.memory)
        self.connection = RedisConnection(url)
        self.follower = Follower(self.connection, PARTITIONS, self.memory)

    async def fill(self, *products: str) -> None:
        for product in products:
            await self.pages.get(product, rendered, subject=product)
        await self.lists.get("newest", rendered)

    def kept(self) -> set[object]:
        return set(self.pages._entries) | set(self.lists._entries)

    @property
    def trusts_for(self) -> float:
        """Seconds; below zero: not at all."""
        return self.memory.followed_until - time.monotonic()


async def rendered() -> bytes:
    return b"{}"


class Voice:
    """A teller."""

    def __init__(self, store: RedisConnection) -> None:
        self._store = store
        self._name = str(new_id())
        self.number = 0

    async def says(self, age: float = 0.0, partitions: tuple[int, ...] = (), is_all: bool = False, **topics) -> None:
        self.number += 1
        news = News(self._name, self.number, time.time() - age, partitions, is_all, topics)
        await tell(self._store, news)


@pytest_asyncio.fixture
async def store(own_redis: tuple[str, subprocess.Popen[bytes]]) -> AsyncIterator[RedisConnection]:
    made = RedisConnection(own_redis[0])
    yield made
    await made.close()


@pytest_asyncio.fixture
async def worker(own_redis: tuple[str, subprocess.Popen[bytes]]) -> AsyncIterator[Worker]:
    made = Worker(own_redis[0])
    yield made
    await made.connection.close()


@pytest_asyncio.fixture
async def voice(store: RedisConnection, worker: Worker) -> Voice:
    """A teller whom the worker knows."""
    made = Voice(store)
    await made.says(is_all=True)
    await worker.follower.read()  # it begins at the end of the stream
    await made.says(partitions=BOTH)
    await worker.follower.read()
    return made


async def test_news_of_a_product_leaves_the_others(worker: Worker, voice: Voice) -> None:
    await worker.fill("a", "b", "c")
    await voice.says(stock=["a"])
    await worker.follower.read()
    assert worker.kept() == {"b", "c", "newest"}
    await voice.says(product=["b"])
    await worker.follower.read()
    assert worker.kept() == {"c"}


async def test_what_the_worker_keeps_counts_while_every_partitions_word_is_fresh(worker: Worker, voice: Voice) -> None:
    assert FRESH_SECONDS - 1 < worker.trusts_for <= FRESH_SECONDS
    worker.memory.followed_until = 0.0
    worker.follower._told.clear()
    await voice.says(partitions=(0,))
    await worker.follower.read()
    assert worker.trusts_for < 0
    await voice.says(partitions=(1,), age=1.0)
    await worker.follower.read()
    assert FRESH_SECONDS - 2 < worker.trusts_for <= FRESH_SECONDS - 1


async def test_a_word_that_was_long_under_way_counts_from_when_it_was_true(worker: Worker, voice: Voice) -> None:
    worker.follower._told.clear()
    await voice.says(partitions=BOTH, age=FRESH_SECONDS + 1)
    await worker.follower.read()
    assert worker.trusts_for < 0


async def test_a_missing_entry_clears(worker: Worker, voice: Voice) -> None:
    await worker.fill("a", "b")
    voice.number += 1  # said, and lost
    await voice.says(stock=["a"])
    await worker.follower.read()
    assert worker.kept() == set()
    await worker.fill("a", "b")
    await voice.says(stock=["a"])
    await worker.follower.read()
    assert worker.kept() == {"b", "newest"}


async def test_a_stream_that_was_trimmed_beyond_what_was_read_clears(
    worker: Worker, voice: Voice, store: RedisConnection
) -> None:
    await worker.fill("a", "b")
    for _ in range(5):
        await voice.says(stock=["c"])
    await store.ask([("XTRIM", STREAM, "MAXLEN", 2)])
    await worker.follower.read()
    assert worker.kept() == set()


async def test_a_teller_that_knows_not_what_was_told_clears(worker: Worker, voice: Voice) -> None:
    await worker.fill("a")
    await voice.says(is_all=True)
    await worker.follower.read()
    assert worker.kept() == set()


async def test_another_teller_clears_and_is_followed_beside_the_first(
    worker: Worker, voice: Voice, store: RedisConnection
) -> None:
    await worker.fill("a", "b")
    other = Voice(store)
    await other.says(partitions=(1,))
    await worker.follower.read()
    assert worker.kept() == set()
    await worker.fill("a", "b")
    for each in (voice, other):
        await each.says(product=["c"])
    await worker.follower.read()
    assert worker.kept() == {"a", "b"}


async def test_what_cannot_be_read_clears_and_is_passed(worker: Worker, voice: Voice, store: RedisConnection) -> None:
    await worker.fill("a", "b")
    await store.ask([("XADD", STREAM, "*", "news", "no JSON")])
    await voice.says(stock=["a"])
    assert await worker.follower.read() == 2
    assert worker.kept() == set()


async def test_a_stream_that_began_anew_clears_and_is_read_from_its_beginning(
    worker: Worker, voice: Voice, store: RedisConnection
) -> None:
    await worker.fill("a")
    await store.ask([("DEL", STREAM)])
    await store.ask([("XADD", STREAM, "5-1", "news", "of an older time")])
    assert await worker.follower.read() == 0
    assert worker.kept() == set()
    await worker.fill("a", "b")
    news = News(voice._name, voice.number + 1, time.time(), (), False, {"stock": ["a"]})
    await store.ask([("XADD", STREAM, "5-2", "news", news.encoded())])
    assert await worker.follower.read() == 1
    assert worker.kept() == {"b", "newest"}


async def test_a_worker_that_stops_following_trusts_nothing(worker: Worker, voice: Voice) -> None:
    following = asyncio.create_task(worker.follower.run())
    await voice.says(partitions=BOTH)
    await asyncio.sleep(0.2)
    assert worker.trusts_for > FRESH_SECONDS - 1
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert worker.memory.followed_until == 0.0
