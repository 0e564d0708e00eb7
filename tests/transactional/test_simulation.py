"""Simulation mode: the clock jumps forward for every worker, addresses are taken from the header, limits are lifted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from lakefront.clock import CLOCK_POLL_SECONDS, real_now
from lakefront.ids import new_id
from lakefront.secrets import secrets
from transactional.platform.authentication import address_of
from transactional.platform.tokens import verify

INTERNAL = "/api/v1/simulation/clock"


@pytest_asyncio.fixture
async def two_workers(
    new_database: Callable[..., str],
    migrated_template: str,
    bus_url: str,
    store_url: str,
    settings_with: Callable[..., AbstractContextManager[Any]],
) -> AsyncIterator[tuple[FastAPI, FastAPI]]:
    """Two applications in simulation mode on a database of their own, as two workers would be."""
    from transactional.app import create_app

    with settings_with(LAKEFRONT_SIMULATION="true", LAKEFRONT_DATABASE_URL=new_database(migrated_template)):
        async with AsyncExitStack() as stack:
            apps = create_app(), create_app()
            for app in apps:
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield apps


def client_of(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
    headers = {"X-Internal-Key": secrets().internal_key}
    return httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers)


async def test_all_workers_jump_with_the_clock(two_workers: tuple[FastAPI, FastAPI]) -> None:
    async with client_of(two_workers[0]) as first, client_of(two_workers[1]) as second:
        moved = await first.post(INTERNAL, json={"advance_seconds": 86_400})
        assert moved.json()["offset_seconds"] == 86_400
        await asyncio.sleep(CLOCK_POLL_SECONDS * 5)
        followed = (await second.get(INTERNAL)).json()
    assert followed["offset_seconds"] == 86_400
    ahead = datetime.fromisoformat(followed["now"]) - real_now()
    assert abs(ahead - timedelta(days=1)) < timedelta(seconds=10)


async def test_concurrent_jumps_add_up(two_workers: tuple[FastAPI, FastAPI]) -> None:
    async with client_of(two_workers[0]) as first, client_of(two_workers[1]) as second:
        await asyncio.gather(
            *(c.post(INTERNAL, json={"advance_seconds": 10}) for c in (first, second) for _ in range(5))
        )
        await asyncio.sleep(CLOCK_POLL_SECONDS * 5)
        assert (await first.get(INTERNAL)).json()["offset_seconds"] == 100


@pytest.mark.parametrize("seconds", [0, -5, "soon", 1e12])
async def test_a_bad_jump_moves_nothing(two_workers: tuple[FastAPI, FastAPI], seconds: Any) -> None:
    async with client_of(two_workers[0]) as client:
        assert (await client.post(INTERNAL, json={"advance_seconds": seconds})).status_code == 422
        assert (await client.get(INTERNAL)).json()["offset_seconds"] == 0


async def test_simulated_accounts_have_no_limit(two_workers: tuple[FastAPI, FastAPI]) -> None:
    async with client_of(two_workers[0]) as internal:
        account = {"email": f"{new_id().hex}@example.com", "password": "correct horse battery"}
        tokens = (await internal.post("/api/v1/auth/register", json=account)).json()
    assert verify(tokens["access_token"]).is_simulated
    headers = {"Authorization": f"Bearer {tokens['access_token']}", "X-Forwarded-For": "10.1.2.3"}
    transport = httpx.ASGITransport(app=two_workers[0], client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as shopper:
        assert {(await shopper.get("/api/v1/cart")).status_code for _ in range(110)} == {200}


def test_addresses_are_believed_from_loopback_and_in_simulation_only(
    settings_with: Callable[..., AbstractContextManager[Any]],
) -> None:
    header = "10.1.2.3, 10.9.9.9"
    assert address_of(header, "127.0.0.1") == "127.0.0.1"
    with settings_with(LAKEFRONT_SIMULATION="true"):
        assert address_of(header, "127.0.0.1") == "10.1.2.3"
        assert address_of(header, "203.0.113.7") == "203.0.113.7"
