"""When money is captured: at once, or when the goods leave the house; once in either case."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest


@pytest.fixture
def on_shipment(shop) -> None:
    chosen = shop.core.settings.model_copy(update={"capture_policy": "on_shipment"})
    shop.app.state.core = dataclasses.replace(shop.core, settings=chosen)


async def send(shop, order_id: str, internal, *statuses: str) -> None:
    for status in statuses:
        answer = await shop.client.put(f"/api/v1/orders/{order_id}/status", json={"status": status}, headers=internal)
        assert answer.status_code == 200, answer.text


async def captured(shop, order_id: str) -> list[tuple[str, Decimal]]:
    await shop.operate()
    return [(status, captured) for status, _, captured, *_ in await shop.charges(order_id)]


async def test_with_the_shipment_money_is_only_authorized_until_the_goods_leave(
    shop, on_shipment, create_product, guest, internal
):
    order_id = (await shop.order(guest, await create_product(price="8.00", stock={"main": 3}), 2)).json()["order_id"]
    assert await captured(shop, order_id) == [("authorized", 0)]
    await send(shop, order_id, internal, "processing")
    assert await captured(shop, order_id) == [("authorized", 0)]
    await send(shop, order_id, internal, "shipped", "shipped", "delivered")
    assert await captured(shop, order_id) == [("captured", Decimal(16))]


async def test_a_cancelled_order_that_was_never_sent_is_voided_and_never_captured(
    shop, on_shipment, create_product, guest
):
    order_id = (await shop.order(guest, await create_product(price="8.00", stock={"main": 3}))).json()["order_id"]
    assert (await shop.client.put(f"/api/v1/orders/{order_id}/cancel", headers=guest)).status_code == 200
    assert await captured(shop, order_id) == [("voided", 0)]


async def test_an_accepted_review_waits_for_the_shipment_too(shop, on_shipment, create_product, guest, internal):
    shop.judge("review")
    order_id = (await shop.order(guest, await create_product(price="8.00", stock={"main": 3}))).json()["order_id"]
    accepted = await shop.client.post(f"/api/v1/orders/{order_id}/review", json={"accept": True}, headers=internal)
    assert accepted.status_code == 200, accepted.text
    assert await captured(shop, order_id) == [("authorized", 0)]
    await send(shop, order_id, internal, "processing", "shipped")
    assert await captured(shop, order_id) == [("captured", Decimal(8))]


async def test_at_once_the_shipment_captures_nothing_a_second_time(shop, create_product, guest, internal):
    order_id = (await shop.order(guest, await create_product(price="8.00", stock={"main": 3}))).json()["order_id"]
    await send(shop, order_id, internal, "processing", "shipped")  # before a worker has captured
    assert await captured(shop, order_id) == [("captured", Decimal(8))]
    ((operations,),) = await shop.sql(
        "SELECT count(*) FROM payment_operations o JOIN payments p ON p.id = o.payment_id WHERE p.order_id = %s",
        order_id,
    )
    assert operations == 1


async def test_goods_do_not_leave_for_money_that_went_back(shop, create_product, guest, internal):
    order = (await shop.order(guest, await create_product(price="8.00", stock={"main": 3}))).json()
    assert await captured(shop, order["order_id"]) == [("captured", Decimal(8))]
    body = {"payment_id": order["payment_id"]}
    assert (await shop.client.post("/api/v1/payments/refund", json=body, headers=internal)).status_code < 300
    path = f"/api/v1/orders/{order['order_id']}/status"
    for _ in range(2):  # asked for, and carried out
        refused = await shop.client.put(path, json={"status": "processing"}, headers=internal)
        assert (refused.status_code, refused.json()["code"]) == (409, "not_paid")
        await shop.operate()


async def test_a_refund_in_part_does_not_keep_the_goods(shop, create_product, guest, internal):
    order = (await shop.order(guest, await create_product(price="8.00", stock={"main": 3}))).json()
    assert await captured(shop, order["order_id"]) == [("captured", Decimal(8))]
    body = {"payment_id": order["payment_id"], "amount": "3.00"}
    assert (await shop.client.post("/api/v1/payments/refund", json=body, headers=internal)).status_code < 300
    await shop.operate()
    await send(shop, order["order_id"], internal, "processing", "shipped")
