"""Redis away from the very start: the shop still shows, registers and fills carts; clicks are refused with 503."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest_asyncio

from lakefront.ids import new_id
from lakefront.secrets import secrets

NOBODY = "redis://127.0.0.1:1/0"


@pytest_asyncio.fixture
async def lonely(
    database_url: str, settings_with: Callable[..., AbstractContextManager[Any]]
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose two Redis do not exist."""
    from transactional.app import create_app

    with settings_with(LAKEFRONT_BUS_URL=NOBODY, LAKEFRONT_STORE_URL=NOBODY):
        application = create_app()
        async with application.router.lifespan_context(application):
            transport = httpx.ASGITransport(app=application, client=("172.30.0.1", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                yield client


async def test_the_shop_goes_on(lonely: httpx.AsyncClient) -> None:
    product = {
        "sku": f"SKU-{new_id().hex}",
        "title": "x",
        "category": "tests/away",
        "price": "4.00",
        "stock": {"main": 2},
    }
    internal = {"X-Internal-Key": secrets().internal_key}
    listed = await lonely.post("/api/v1/products", json={"products": [product]}, headers=internal)
    assert listed.status_code == 201
    product_id = listed.json()["items"][0]["product_id"]
    assert (await lonely.get(f"/api/v1/products/{product_id}")).json()["available"] == 2
    assert (await lonely.get("/api/v1/products", params={"category": "tests/away"})).status_code == 200
    account = {"email": f"{new_id().hex}@example.com", "password": "correct horse battery"}
    assert (await lonely.post("/api/v1/auth/register", json=account)).status_code == 201
    tokens = (await lonely.post("/api/v1/auth/login", json=account)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    body = {"product_id": product_id, "quantity": 2}
    assert (await lonely.post("/api/v1/cart/items", json=body, headers=headers)).json()["total"] == "8.00"
    assert (
        await lonely.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    ).status_code == 200


async def test_clicks_are_refused_and_readiness_says_why(lonely: httpx.AsyncClient) -> None:
    data = {"session": f"s-{new_id()}", "query": "kettle"}
    body = {"events": [{"event_type": "storefront.search.performed.v1", "data": data}]}
    answer = await lonely.post("/api/v1/events", json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "bus_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    ready = await lonely.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json() == {"status": "degraded", "parts": {"database": "ok", "bus": "away", "store": "away"}}
