"""Reads features from Feast's online store: one pipelined HMGET, a deadline, a breaker, no Feast.

The encoding is ``lakefront.feast_encoding``; a contract test holds what is read here to Feast's own answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from redis.exceptions import RedisError

from features.definitions import VIEWS, View
from lakefront.breaker import CircuitBreaker, CircuitOpen
from lakefront.contracts.decisions import Fallback
from lakefront.feast_encoding import EncodingError, decode, decode_time, entity_key, feature_field, time_field
from lakefront.redis_connection import RedisConnection

SECONDS_OPEN = 5.0
"""After five failures in a row the store is left alone for this long: it is ours and near, and soon back."""


class StoreUnavailable(RuntimeError):
    """The online store did not answer; ``fallback`` says in the decision's words why."""

    def __init__(self, fallback: Fallback, message: str) -> None:
        super().__init__(message)
        self.fallback: Fallback = fallback


@dataclass(frozen=True, slots=True)
class Lookup:
    """Views to read of one entity."""

    entity: str
    views: tuple[View, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A view's features of one entity as they stand in the store."""

    features: dict[str, Any] = field(default_factory=dict)
    event_time: datetime | None = None
    """Business time of the values; None: nothing was ever written."""

    def is_stale(self, view: View, now: datetime) -> bool:
        """True where there are values, but too old to be used."""
        return self.event_time is not None and now - self.event_time > timedelta(days=view.ttl_days)


MISSING = Stored()


class OnlineStore:
    """The reader of one worker."""

    def __init__(self, url: str, deadline_ms: float, breaker: CircuitBreaker | None = None) -> None:
        self._deadline = deadline_ms / 1000
        self.breaker = breaker or CircuitBreaker("online store", seconds_open=SECONDS_OPEN)
        self._connection = RedisConnection(url)

    async def read(self, lookups: Sequence[Lookup]) -> list[dict[str, Stored]]:
        """The views of each lookup by name, in the order asked. Raises StoreUnavailable."""
        if not lookups:
            return []
        try:
            self.breaker.check()
        except CircuitOpen as error:
            raise StoreUnavailable("store_down", str(error)) from error
        try:
            async with asyncio.timeout(self._deadline):
                answers = await self._fetch(lookups)
        except TimeoutError as error:
            self.breaker.failed()
            raise StoreUnavailable("store_late", f"no answer within {self._deadline * 1000:g} ms") from error
        except (RedisError, OSError) as error:
            self.breaker.failed()
            raise StoreUnavailable("store_down", str(error)) from error
        self.breaker.succeeded()
        try:
            return [_views(lookup, values) for lookup, values in zip(lookups, answers, strict=True)]
        except EncodingError as error:
            raise StoreUnavailable("store_down", f"the store holds what Feast did not write: {error}") from error

    async def _fetch(self, lookups: Sequence[Lookup]) -> list[list[bytes | None]]:
        answers: list[list[bytes | None]] = await self._connection.ask(
            [
                (
                    "HMGET",
                    entity_key(lookup.views[0].entity, lookup.entity),
                    *_fields(tuple(view.name for view in lookup.views)),
                )
                for lookup in lookups
            ]
        )
        return answers

    async def close(self) -> None:
        await self._connection.close()


@lru_cache(maxsize=64)
def _fields(names: tuple[str, ...]) -> tuple[bytes, ...]:
    """The fields of an HMGET that reads the views of these names."""
    return tuple(
        field
        for name in names
        for field in (time_field(name), *(feature_field(name, feature) for feature in VIEWS[name].features))
    )


def _views(lookup: Lookup, values: Sequence[bytes | None]) -> dict[str, Stored]:
    """Split the answer of one HMGET into its views."""
    stored: dict[str, Stored] = {}
    place = 0
    for view in lookup.views:
        time, place = values[place], place + 1
        if time is None:
            stored[view.name] = MISSING
        else:
            fields = values[place : place + len(view.features)]
            stored[view.name] = Stored(dict(zip(view.features, map(decode, fields), strict=True)), decode_time(time))
        place += len(view.features)
    return stored
