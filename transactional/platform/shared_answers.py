"""Rendered answers that workers share, in the store: for pages that one worker has and another has not (any more).

An answer is put there with the place in the news that its worker had reached before it read the rows, and with the rows'
version. It loses to a newer version, and to news: the teller's entry takes the old answer out in the same moment and leaves its
place behind, so that whoever began before it comes too late. What the store lost, or when everything may be old, shows by
the epoch. Without Redis, or without news, nothing is shared; every question has a deadline and stands behind a breaker.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from lakefront.breaker import CircuitBreaker, CircuitOpen
from lakefront.redis_connection import Answer, RedisConnection, Script
from transactional.platform.invalidations import EPOCH, GONE_SECONDS, gone_key, shared_key

_DEADLINE_SECONDS = 0.05
_BREAKER_SECONDS = 2.0
_LONGEST_RENDERING = GONE_SECONDS / 2
_GATHER_SECONDS = 0.02
"""For so long answers wait to be put there together; who waits for the answer itself does not wait for this."""
_MOST_GATHERED = 256
SHARED = Counter("lakefront_shared_answers", "Answers asked for in the store.", ["result"])
log = structlog.get_logger(__name__)

# Ids of the stream are compared by their two numbers.
_PUT = Script("""
local function older(one, other)
  local a, b = string.match(one, '(%d+)-(%d+)')
  local c, d = string.match(other, '(%d+)-(%d+)')
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  return a < c or (a == c and b < d)
end
local epoch, gone = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if not epoch or older(ARGV[1], epoch) or (gone and older(ARGV[1], gone)) then return 0 end
local known = redis.call('HMGET', KEYS[3], ARGV[2] .. ':place', ARGV[2] .. ':version')
if known[1] and not older(known[1], epoch) and tonumber(known[2]) > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[3], ARGV[2] .. ':place', ARGV[1], ARGV[2] .. ':version', ARGV[3], ARGV[2] .. ':body', ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[5])
return 1
""")


class News(Protocol):
    """How far a worker has heard what changed."""

    @property
    def place(self) -> str | None:
        """Id of the last entry, None while the worker does not hear."""


@dataclass(frozen=True, slots=True)
class Before:
    """Where a worker stood before it began to render."""

    place: str
    began: float


@dataclass(frozen=True, slots=True)
class Made:
    """A rendered answer about a subject, of one of its variants (languages)."""

    subject: str
    variant: str
    body: bytes
    version: int
    """Of the row that it was rendered from."""
    before: Before


class SharedAnswers:
    """One kind of answers in the store, as one worker uses them."""

    def __init__(self, store: RedisConnection, news: News, seconds: int) -> None:
        self._store = store
        self._news = news
        self._seconds = seconds
        self._breaker = CircuitBreaker("store of answers", failures_to_open=3, seconds_open=_BREAKER_SECONDS)
        self._gathered: list[Made] = []
        self._soon: asyncio.TimerHandle | None = None
        self._putting: set[asyncio.Task[object]] = set()

    def before(self) -> Before | None:
        """To be asked before anything is read; None: nothing can be shared now."""
        place = self._news.place
        return None if place is None else Before(place, time.monotonic())

    async def get(self, subject: str, variant: str) -> tuple[bytes, float] | None:
        """An answer about a subject and the seconds that are left to it."""
        key = shared_key(subject)
        asked = (("GET", EPOCH), ("HMGET", key, f"{variant}:place", f"{variant}:body"), ("TTL", key))
        answers = await self._guarded(lambda: self._store.ask(asked))
        if answers is None:
            SHARED.labels("unasked").inc()
            return None
        epoch, (place, body), left = answers
        if epoch is None or body is None or left <= 0 or _numbers(place) < _numbers(epoch):
            SHARED.labels("miss").inc()
            return None
        SHARED.labels("hit").inc()
        return body, float(left)

    def share(self, made: Made) -> None:
        """Put an answer into the store shortly, together with others."""
        if len(self._gathered) >= _MOST_GATHERED:  # the store does not keep up; another miss will share it
            return
        self._gathered.append(made)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._put_gathered)

    async def close(self) -> None:
        """Give up what is not there yet."""
        if self._soon is not None:
            self._soon.cancel()
        for task in self._putting:
            task.cancel()
        await asyncio.gather(*self._putting, return_exceptions=True)

    def _put_gathered(self) -> None:
        self._soon = None
        gathered, self._gathered = self._gathered, []
        task = asyncio.create_task(self.put(*gathered))
        self._putting.add(task)
        task.add_done_callback(self._putting.discard)

    async def put(self, *answers: Made) -> list[bool]:
        """Put answers into the store; False for one that took long, or that something newer or news has overtaken."""
        now = time.monotonic()
        in_time = [now - made.before.began <= _LONGEST_RENDERING for made in answers]
        calls = [self._call(made) for made, is_in_time in zip(answers, in_time, strict=True) if is_in_time]
        taken = iter(await self._guarded(lambda: _PUT.run(self._store, *calls)) or []) if calls else iter([])
        return [is_in_time and next(taken, 0) == 1 for is_in_time in in_time]

    def _call(self, made: Made) -> tuple[object, ...]:
        keys = (EPOCH, gone_key(made.subject), shared_key(made.subject))
        return (3, *keys, made.before.place, made.variant, made.version, made.body, self._seconds)

    async def _guarded(self, ask: Callable[[], Awaitable[Answer]]) -> Answer | None:
        try:
            self._breaker.check()
            async with asyncio.timeout(_DEADLINE_SECONDS):
                answers = await ask()
        except CircuitOpen:
            return None
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed()
            log.warning("answers_not_shared", error=str(error) or type(error).__name__)
            return None
        self._breaker.succeeded()
        return answers


def _numbers(place: bytes) -> tuple[int, int]:
    milliseconds, _, number = place.partition(b"-")
    return int(milliseconds), int(number)
