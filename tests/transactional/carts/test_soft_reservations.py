"""What lies in a cart is shown to others as taken for 15 minutes; it takes no stock and refuses nobody's checkout."""

from __future__ import annotations

import asyncio

from transactional.catalogue import service as catalogue
from transactional.inventory.service import expire_reservations


async def levels(shop, product):
    return await shop.sql(
        "SELECT level, quantity FROM reservations WHERE sku = %s ORDER BY level, quantity", product["sku"]
    )


async def test_others_are_shown_what_carts_leave(shop, carts, create_product):
    product = await create_product(stock={"east": 3, "west": 2})
    ann, ben = carts.guest(), carts.guest()
    mine = (await carts.add(ann, product, 3))["items"][0]
    assert (mine["available"], mine["available_quantity"]) == (True, 3)
    assert await carts.offered(ann, product) == (5, 0, 5)
    assert await carts.offered(ben, product) == (5, 3, 2)
    catalogue.pages.clear()
    page = (await shop.client.get(f"/api/v1/products/{product['product_id']}")).json()
    assert page["available"] == 2
    theirs = (await carts.add(ben, product, 3))["items"][0]
    assert (theirs["available"], theirs["available_quantity"]) == (False, 2)
    mine = (await carts.look(ann))["items"][0]  # who came first is not shown the later cart
    assert (mine["available"], mine["available_quantity"]) == (True, 3)


async def test_a_list_shows_what_lies_in_carts_as_out_of_stock(shop, carts, create_product):
    product = await create_product(stock={"main": 2}, category="tests/held")
    await carts.add(carts.guest(), product, 2)
    catalogue.lists.clear()
    items = (await shop.client.get("/api/v1/products?category=tests/held&limit=100")).json()["items"]
    assert [i["in_stock"] for i in items if i["sku"] == product["sku"]] == [False]


async def test_a_cart_does_not_touch_the_stock_and_refuses_nobody(shop, carts, create_product):
    product = await create_product(stock={"main": 2})
    stock = "SELECT available, version, xmin::text FROM stock WHERE sku = %s"
    before = await shop.sql(stock, product["sku"])
    await carts.add(carts.guest(), product, 2)
    assert await shop.sql(stock, product["sku"]) == before
    assert (await shop.order(carts.guest(), product, 2)).status_code == 201
    assert await levels(shop, product) == [("allocated", 2), ("soft", 2)]
    assert await shop.ledger(product) == await shop.available(product) == 0


async def test_quantity_removal_and_saving_change_what_is_held(shop, carts, create_product):
    product, guest = await create_product(stock={"main": 9}), carts.guest()
    item = (await carts.add(guest, product, 2))["items"][0]
    await carts.add(guest, product, 1)
    assert await levels(shop, product) == [("soft", 3)]
    await carts.change(guest, item, 5)
    assert await levels(shop, product) == [("soft", 5)]
    await carts.move(guest, item, "save-for-later")
    assert await levels(shop, product) == []
    await carts.move(guest, item, "move-to-cart")
    assert await levels(shop, product) == [("soft", 5)]
    await carts.remove(guest, item)
    assert await levels(shop, product) == []


async def test_after_15_minutes_others_are_offered_it_again(shop, carts, create_product):
    product, ann, ben = await create_product(stock={"main": 4}), carts.guest(), carts.guest()
    await carts.add(ann, product, 4)
    carts.later(minutes=14)
    assert (await carts.add(ben, product, 1))["items"][0]["available"] is False
    carts.later(minutes=1)
    assert await carts.offered(carts.guest(), product) == (4, 1, 3)
    mine = (await carts.look(ann))["items"][0]  # ann holds nothing any more and stands behind ben
    assert (mine["held_until"], mine["available"], mine["available_quantity"]) == (None, False, 3)
    await asyncio.gather(*(expire_reservations(shop.core) for _ in range(4)))
    assert await levels(shop, product) == [("soft", 1)]
    await carts.change(ann, mine, 3)
    assert (await carts.look(ann))["items"][0]["available"] is True


async def test_checkout_turns_the_very_row_hard(shop, carts, create_product):
    product, guest = await create_product(stock={"main": 4}), carts.guest()
    cart = await carts.add(guest, product, 3)
    body = {**shop.body(product), "items": None, "cart_id": cart["cart_id"]}
    order = (await shop.client.post("/api/v1/orders", json=body, headers=guest)).json()
    rows = await shop.sql(
        "SELECT r.id::text, r.level, r.warehouse, r.quantity, l.reservation_id = r.id FROM reservations r"
        " JOIN order_lines l ON l.order_id = r.order_id WHERE r.order_id = %s",
        order["order_id"],
    )
    assert rows == [(cart["items"][0]["item_id"], "allocated", "main", 3, True)]
    assert await levels(shop, product) == [("allocated", 3)]


async def test_what_is_saved_for_later_is_neither_ordered_nor_lost(shop, carts, create_product):
    bought, saved = [await create_product(price="4.00", stock={"main": 4}) for _ in range(2)]
    guest = carts.guest()
    await carts.add(guest, bought, 2)
    cart = await carts.add(guest, saved, 3)
    item = next(i for i in cart["items"] if i["sku"] == saved["sku"])
    cart = await carts.move(guest, item, "save-for-later")
    assert ([i["sku"] for i in cart["items"]], cart["total"]) == ([bought["sku"]], "8.00")
    body = {**shop.body(bought), "items": None, "cart_id": cart["cart_id"]}
    order = (await shop.client.post("/api/v1/orders", json=body, headers=guest)).json()
    assert [(i["sku"], i["quantity"]) for i in order["items"]] == [(bought["sku"], 2)]
    left = await carts.look(guest)
    assert (left["items"], [(i["sku"], i["quantity"]) for i in left["saved_for_later"]]) == ([], [(saved["sku"], 3)])
    again = await shop.client.post("/api/v1/orders", json=body, headers=guest)
    assert (again.status_code, again.json()["code"]) == (409, "cart_empty")
    assert await shop.available(saved) == 4
