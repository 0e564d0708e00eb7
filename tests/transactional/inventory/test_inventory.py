"""The inventory API, expiry by two workers at once, and the ledger that always adds up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from lakefront.ids import new_id
from transactional.inventory import service


async def reserve(shop, internal, product, quantity):
    body = {"items": [{"product_id": product["product_id"], "quantity": quantity}]}
    return await shop.client.post("/api/v1/inventory/reserve", json=body, headers=internal)


async def test_receipts_counts_and_what_is_reserved(shop, create_product, internal):
    product = await create_product(stock={"east": 4})
    url = f"/api/v1/inventory/{product['product_id']}"
    receipts = [
        {"product_id": product["product_id"], "warehouse": w, "quantity": q} for w, q in (("east", 3), ("north", 2))
    ]
    answer = await shop.client.post("/api/v1/inventory/receipts", json={"receipts": receipts}, headers=internal)
    assert answer.status_code == 201, answer.text
    for quantity in (5, 5, 12):
        counted = await shop.client.put(
            f"{url}/quantity", json={"warehouse": "east", "quantity": quantity}, headers=internal
        )
        assert counted.status_code == 200, counted.text
    fresh = await shop.client.put(f"{url}/quantity", json={"warehouse": "south", "quantity": 0}, headers=internal)
    assert fresh.status_code == 200
    await reserve(shop, internal, product, 2)
    stock = (await shop.client.get(f"{url}/stock")).json()
    assert (stock["available"], stock["reserved"]) == (12, 2)
    assert [(i["warehouse"], i["available"], i["below_reorder_level"]) for i in stock["items"]] == [
        ("east", 10, False), ("north", 2, True), ("south", 0, True),
    ]  # fmt: skip
    told = await shop.facts(f"{product['sku']}:east")
    assert [f["sequence"] for f in told] == [1, 2, 3, 4, 5]
    assert [f["data"]["change"] for f in told] == [4, 3, -2, 7, -2]
    assert await shop.ledger(product) == 12


async def test_only_the_right_callers_change_stock(shop, create_user, create_product):
    product, user = await create_product(stock={"main": 1}), await create_user()
    url = f"/api/v1/inventory/{product['product_id']}/quantity"
    body = {"warehouse": "main", "quantity": 9}
    assert (await shop.client.put(url, json=body)).status_code == 401
    assert (await shop.client.put(url, json=body, headers=user.headers)).status_code == 403
    assert (await reserve(shop, user.headers, product, 1)).status_code == 401
    missing = await shop.client.get(f"/api/v1/inventory/{new_id()}/stock")
    assert (missing.status_code, missing.json()["code"]) == (404, "product_not_found")


async def test_reserving_more_than_there_is_takes_nothing(shop, create_product, internal):
    product = await create_product(stock={"east": 2, "west": 2})
    answer = await reserve(shop, internal, product, 3)
    assert (answer.status_code, answer.json()["code"]) == (409, "out_of_stock")
    assert await shop.available(product) == await shop.ledger(product) == 4


async def test_a_release_is_once_and_not_for_the_stock_of_orders(shop, create_user, create_product, internal):
    product, user = await create_product(stock={"main": 5}), await create_user()
    held = (await reserve(shop, internal, product, 2)).json()["items"][0]["reservation_id"]
    body = {"reservation_ids": [held]}
    counts = [
        (await shop.client.post("/api/v1/inventory/release", json=body, headers=internal)).json() for _ in range(2)
    ]
    assert counts == [{"released": 1}, {"released": 0}]
    order = (await shop.order(user.headers, product)).json()
    ((theirs,),) = await shop.sql("SELECT id FROM reservations WHERE order_id = %s", order["order_id"])
    refused = await shop.client.post(
        "/api/v1/inventory/release", json={"reservation_ids": [str(theirs)]}, headers=internal
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "reservation_of_an_order")
    assert await shop.available(product) == await shop.ledger(product) == 4


async def test_expiry_by_several_workers_gives_back_once(shop, create_product, internal):
    product = await create_product(stock={"main": 20})
    for _ in range(6):
        await reserve(shop, internal, product, 2)
    await service.expire_reservations(shop.core)
    assert await shop.available(product) == 8
    shop.core.clock.set_offset(shop.core.clock.offset + timedelta(minutes=6))
    taken = await asyncio.gather(*(service.expire_reservations(shop.core, limit=2) for _ in range(8)))
    while await service.expire_reservations(shop.core):
        pass
    assert sum(taken) >= 2
    assert await shop.available(product) == await shop.ledger(product) == 20
    told = await shop.facts(f"{product['sku']}:main")
    assert [f["sequence"] for f in told] == list(range(1, len(told) + 1))


async def test_the_stock_of_a_running_checkout_does_not_expire(shop, create_product):
    product = await create_product(stock={"main": 5})
    order = (await shop.order({"X-Session-Id": f"session-{new_id()}"}, product, 2)).json()
    await shop.sql("UPDATE checkouts SET outcome = NULL WHERE order_id = %s", order["order_id"])
    await shop.sql(
        "UPDATE reservations SET level = 'hard', expires_at = '2000-01-01' WHERE order_id = %s", order["order_id"]
    )
    await service.expire_reservations(shop.core)
    assert await shop.available(product) == 3
    await shop.sql("UPDATE checkouts SET outcome = 'confirmed' WHERE order_id = %s", order["order_id"])
    await service.expire_reservations(shop.core)
    assert await shop.available(product) == 5
