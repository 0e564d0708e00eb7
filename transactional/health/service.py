"""What the worker needs to be ready: PostgreSQL. Redis may be away: the shop goes on without it, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import psycopg
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from lakefront.bus import BusError
from transactional.health import store
from transactional.platform.core import Core

_DEADLINE_SECONDS = 1.0
State = Literal["ok", "away"]


async def parts(core: Core) -> dict[str, State]:
    """State of each server that the worker talks to."""

    async def database() -> None:
        async with core.db.connection() as connection:
            await store.ping(connection)

    async def store_of_features() -> None:
        await core.store.ask([("PING",)])

    checks: dict[str, Callable[[], Awaitable[object]]] = {
        "database": database,
        "bus": core.bus.generation,
        "store": store_of_features,
    }
    states = await asyncio.gather(*(_state(check) for check in checks.values()))
    return dict(zip(checks, states, strict=True))


async def _state(check: Callable[[], Awaitable[object]]) -> State:
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await check()
    except (psycopg.Error, PoolTimeout, BusError, RedisError, OSError, TimeoutError):
        return "away"
    return "ok"
