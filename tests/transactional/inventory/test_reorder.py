"""Reorder levels: 10 unless set; each fall below raises one alert, however many workers look, and stock below is listed."""

from __future__ import annotations

import asyncio

from lakefront.ids import new_id
from transactional.inventory.warehouses import raise_alerts


async def count(shop, internal, product, quantity, warehouse="main"):
    url = f"/api/v1/inventory/{product['product_id']}/quantity"
    body = {"warehouse": warehouse, "quantity": quantity}
    assert (await shop.client.put(url, json=body, headers=internal)).status_code == 200


async def set_level(shop, internal, product, level, **body):
    url = f"/api/v1/inventory/{product['product_id']}/reorder-level"
    return await shop.client.put(url, json={"reorder_level": level, **body}, headers=internal)


async def alerts(shop, product):
    """The alerts told of a product so far, by several workers at once."""
    while any(await asyncio.gather(*(raise_alerts(shop.core, limit=2) for _ in range(4)))):
        pass
    told = await shop.sql(
        "SELECT envelope::json -> 'data' FROM outbox WHERE envelope::json ->> 'event_type' ="
        " 'inventory.reorder_alert.raised.v1' AND envelope::json -> 'data' ->> 'sku' = %s ORDER BY id",
        product["sku"],
    )
    return [(data["warehouse"], data["available"], data["reorder_level"]) for (data,) in told]


async def listed(shop, internal, product):
    found, cursor = [], None
    while True:
        query = f"?limit=200&cursor={cursor}" if cursor else "?limit=200"
        page = (await shop.client.get(f"/api/v1/inventory/alerts{query}", headers=internal)).json()
        found += [item for item in page["items"] if item["product_id"] == product["product_id"]]
        if (cursor := page["next_cursor"]) is None:
            return found


async def test_each_fall_below_the_level_is_told_once(shop, internal, create_product):
    product = await create_product(stock={"main": 11})
    for _ in range(4):  # 10, 9 …: the second order crosses the level
        assert (await shop.order({"X-Session-Id": f"session-{new_id()}"}, product)).status_code == 201
    assert await alerts(shop, product) == [("main", 9, 10)]
    (low,) = await listed(shop, internal, product)
    assert (low["available"], low["reorder_level"], low["warehouse"]) == (7, 10, "main")
    told = await shop.facts(low["alert_id"])
    assert [(f["sequence"], f["data"]["available"]) for f in told] == [(1, 9)]
    await count(shop, internal, product, 30)
    assert await listed(shop, internal, product) == []
    await count(shop, internal, product, 2)
    assert await alerts(shop, product) == [("main", 9, 10), ("main", 2, 10)]
    assert len(await listed(shop, internal, product)) == 1


async def test_many_orders_at_once_raise_one_alert(shop, create_product):
    product = await create_product(stock={"main": 16})
    await asyncio.gather(*(shop.order({"X-Session-Id": f"session-{new_id()}"}, product) for _ in range(12)))
    assert await shop.available(product) == 4
    assert await alerts(shop, product) == [("main", 9, 10)]


async def test_the_level_is_set_for_one_warehouse_or_for_all(shop, internal, create_product):
    product = await create_product(stock={"east": 20, "west": 40})
    assert (await set_level(shop, internal, product, 25, warehouse="west")).status_code == 200
    assert await alerts(shop, product) == []
    stock = (await set_level(shop, internal, product, 21)).json()
    assert [(i["warehouse"], i["reorder_level"], i["below_reorder_level"]) for i in stock["items"]] == [
        ("east", 21, True),
        ("west", 21, False),
    ]
    assert await alerts(shop, product) == [("east", 20, 21)]
    unknown = await set_level(shop, internal, product, 5, warehouse="north")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "stock_not_found")


async def test_only_merchandisers_see_and_set_levels(shop, create_user, create_product):
    product, user = await create_product(stock={"main": 1}), await create_user()
    for path in ("alerts", "warehouses", "ledger/check"):
        assert (await shop.client.get(f"/api/v1/inventory/{path}", headers=user.headers)).status_code == 403
    assert (await set_level(shop, user.headers, product, 5)).status_code == 403
