"""Rate limits: workers share a budget to the last request, and without Redis nobody is refused for Redis's sake."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from lakefront.ids import new_id
from lakefront.redis_connection import RedisConnection
from transactional.platform import limits
from transactional.platform.limits import WINDOW_SECONDS, RateLimiter


@pytest_asyncio.fixture
async def store(store_url: str) -> AsyncIterator[RedisConnection]:
    made = RedisConnection(store_url)
    yield made
    await made.close()


DEADLINE_SECONDS = limits._STORE_DEADLINE_SECONDS


@pytest.fixture(autouse=True)
def one_long_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window does not end during a test, and a busy machine's Redis counts as there."""
    moment = time.time()
    monkeypatch.setattr(limits, "time", SimpleNamespace(time=lambda: moment))
    monkeypatch.setattr(limits, "_STORE_DEADLINE_SECONDS", 10)


async def test_workers_share_a_budget(store: RedisConnection) -> None:
    workers = [RateLimiter(100) for _ in range(3)]
    caller = f"user:{new_id()}"
    verdicts = []
    for _ in range(60):
        verdicts += [await worker.take(caller, store) for worker in workers]
    assert sum(verdict.allowed for verdict in verdicts) == 100
    assert all(verdict.allowed for verdict in verdicts[:90])


async def test_most_requests_ask_nobody(store: RedisConnection) -> None:
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
    limiter, caller = RateLimiter(30), f"user:{new_id()}"
    assert (await limiter.take(caller, store)).remaining == 29
    await store.ask([("SCRIPT", "FLUSH")])
    assert [(await limiter.take(caller, store)).remaining for _ in range(29)] == list(range(28, -1, -1))


async def test_remaining_counts_down(store: RedisConnection) -> None:
    limiter, caller = RateLimiter(20), f"user:{new_id()}"
    assert [(await limiter.take(caller, store)).remaining for _ in range(20)] == list(range(19, -1, -1))


async def test_without_redis_a_worker_counts_alone() -> None:
    away = RedisConnection("redis://127.0.0.1:1/0")
    limiter, caller = RateLimiter(10), f"user:{new_id()}"
    verdicts = [await limiter.take(caller, away) for _ in range(12)]
    assert [verdict.allowed for verdict in verdicts] == [True] * 10 + [False] * 2
    await away.close()


async def test_a_redis_that_does_not_answer_holds_nobody_up(
    own_redis: tuple[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_STORE_DEADLINE_SECONDS", DEADLINE_SECONDS)
    paused, limiter = RedisConnection(own_redis[0]), RateLimiter(20)
    own_redis[1].send_signal(signal.SIGSTOP)
    async with asyncio.timeout(30):  # it would be for ever
        verdicts = [await limiter.take(f"user:{new_id()}", paused) for _ in range(20)]
    assert all(verdict.allowed for verdict in verdicts)
    await paused.close()


async def test_callers_do_not_share(store: RedisConnection) -> None:
    limiter = RateLimiter(1)
    assert (await limiter.take(f"user:{new_id()}", store)).allowed
    assert (await limiter.take(f"user:{new_id()}", store)).allowed


async def test_logins_have_a_smaller_budget_of_the_address(
    client: httpx.AsyncClient, from_anywhere: Callable[[], httpx.AsyncClient]
) -> None:

    async def log_in(by: httpx.AsyncClient, **headers: str) -> httpx.Response:
        body = {"email": f"{new_id().hex}@example.com", "password": "a guess of mine"}
        return await by.post("/api/v1/auth/login", json=body, headers=headers)

    answers = [await log_in(client) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"minute";q=100;w=60, "login";q=20;w=60'
    assert re.fullmatch(r'"minute";r=99;t=\d+, "login";r=19;t=\d+', answers[0].headers["ratelimit"])
    refused = answers[-1]
    assert (refused.json()["code"], refused.json()["title"]) == ("rate_limited", "Too many attempts to log in")
    assert 0 < int(refused.headers["retry-after"]) <= WINDOW_SECONDS
    assert (await client.get("/api/v1/categories")).status_code == 200  # the rest of the shop is still there
    assert (await client.post("/api/v1/oauth/token", data={"grant_type": "refresh_token"})).status_code == 429
    async with from_anywhere() as elsewhere:
        assert (await log_in(elsewhere)).status_code == 401


async def test_a_shopper_has_a_hundred_requests_a_minute_wherever_they_are(
    from_anywhere: Callable[[], httpx.AsyncClient], create_user: Callable[..., Awaitable[Any]]
) -> None:
    user = await create_user()
    statuses = []
    for _ in range(3):
        async with from_anywhere() as somewhere:
            statuses += [
                (await somewhere.get("/api/v1/categories", headers=user.headers)).status_code for _ in range(34)
            ]
    assert statuses == [200] * 100 + [429] * 2
