"""Rate limits: workers share a budget to the last request, and without Redis nobody is refused for Redis's sake."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator

import pytest_asyncio

from lakefront.ids import new_id
from lakefront.redis_connection import RedisConnection
from transactional.platform.limits import WINDOW_SECONDS, RateLimiter


@pytest_asyncio.fixture
async def store(store_url: str) -> AsyncIterator[RedisConnection]:
    made = RedisConnection(store_url)
    yield made
    await made.close()


async def early_in_the_minute() -> None:
    """Wait for the next window when this one ends too soon to count in it."""
    left = WINDOW_SECONDS - time.time() % WINDOW_SECONDS
    if left < 5:
        await asyncio.sleep(left + 0.05)


async def test_workers_share_a_budget(store: RedisConnection) -> None:
    await early_in_the_minute()
    workers = [RateLimiter(100) for _ in range(3)]
    caller = f"user:{new_id()}"
    verdicts = []
    for _ in range(60):
        verdicts += [await worker.take(caller, store) for worker in workers]
    assert sum(verdict.allowed for verdict in verdicts) == 100
    assert all(verdict.allowed for verdict in verdicts[:90])


async def test_most_requests_ask_nobody(store: RedisConnection) -> None:
    await early_in_the_minute()
    limiter, caller = RateLimiter(100), f"user:{new_id()}"
    before = await _leases(store)
    for _ in range(50):
        assert (await limiter.take(caller, store)).allowed
    assert 1 <= await _leases(store) - before <= 12


async def _leases(store: RedisConnection) -> int:
    """How often Redis was asked, as it counts itself."""
    [statistics] = await store.ask([("INFO", "commandstats")])
    return sum(int(calls) for calls in re.findall(rb"cmdstat_eval(?:sha)?:calls=(\d+)", statistics))


async def test_a_redis_that_forgot_the_script_is_told_it_again(store: RedisConnection) -> None:
    await early_in_the_minute()
    limiter, caller = RateLimiter(30), f"user:{new_id()}"
    assert (await limiter.take(caller, store)).remaining == 29
    await store.ask([("SCRIPT", "FLUSH")])
    assert [(await limiter.take(caller, store)).remaining for _ in range(29)] == list(range(28, -1, -1))


async def test_remaining_counts_down(store: RedisConnection) -> None:
    await early_in_the_minute()
    limiter, caller = RateLimiter(20), f"user:{new_id()}"
    assert [(await limiter.take(caller, store)).remaining for _ in range(20)] == list(range(19, -1, -1))


async def test_without_redis_a_worker_counts_alone() -> None:
    await early_in_the_minute()
    away = RedisConnection("redis://127.0.0.1:1/0")
    limiter, caller = RateLimiter(10), f"user:{new_id()}"
    verdicts = [await limiter.take(caller, away) for _ in range(12)]
    assert [verdict.allowed for verdict in verdicts] == [True] * 10 + [False] * 2
    await away.close()


async def test_callers_do_not_share(store: RedisConnection) -> None:
    await early_in_the_minute()
    limiter = RateLimiter(1)
    assert (await limiter.take(f"user:{new_id()}", store)).allowed
    assert (await limiter.take(f"user:{new_id()}", store)).allowed
