"""Redis down: orders still go through; the decisions fall back, and say so."""

from __future__ import annotations

import json
import socket

import httpx
import pytest_asyncio

from lakefront.ids import new_id


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest_asyncio.fixture
async def shop_without_redis(database_url, settings_with):
    from transactional.app import create_app

    away = f"redis://127.0.0.1:{closed_port()}/0"
    with settings_with(LAKEFRONT_BUS_URL=away, LAKEFRONT_STORE_URL=away):
        app = create_app()
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://shop") as made,
        ):
            yield app, made


async def test_orders_go_through_without_redis(shop_without_redis, internal_key):
    app, client = shop_without_redis
    product = {
        "sku": f"SKU-{new_id().hex}",
        "title": "Lamp",
        "category": "tests/lamps",
        "price": "10.00",
        "stock": {"main": 5},
    }
    listed = await client.post("/api/v1/products", json={"products": [product]}, headers=internal_key)
    product_id = listed.json()["items"][0]["product_id"]
    body = {
        "items": [{"product_id": product_id, "quantity": 1}],
        "shipping_address": {"street": "1", "city": "Seattle", "zip": "98101"},
        "payment_method": "tok_visa",
    }
    for _ in range(3):
        answer = await client.post("/api/v1/orders", json=body, headers={"X-Session-Id": f"session-{new_id()}"})
        assert (answer.status_code, answer.json()["status"]) == (201, "confirmed"), answer.text
    async with app.state.core.db.connection() as connection:
        cursor = await connection.execute(
            "SELECT envelope FROM outbox WHERE envelope::json ->> 'event_type' = 'decisions.fraud.assessed.v1'"
            " AND envelope::json -> 'data' ->> 'order_id' = %s",
            [answer.json()["order_id"]],
        )
        ((envelope,),) = await cursor.fetchall()
    assert json.loads(envelope)["data"]["fallback"] is not None
