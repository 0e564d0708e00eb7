"""A cart that nobody has changed for a week goes; what a member saved for later stays."""

from __future__ import annotations

import asyncio

from transactional.carts.service import expire_carts


async def all_expired(shop) -> int:
    """Several workers at once, until nothing is left to do."""
    done = 0
    while round_ := sum(await asyncio.gather(*(expire_carts(shop.core, limit=3) for _ in range(4)))):
        done += round_
    return done


async def test_old_carts_go_with_what_they_hold(shop, carts, create_product):
    product, old, young = await create_product(stock={"main": 5}), carts.guest(), carts.guest()
    await carts.add(old, product, 2)
    carts.later(days=6, hours=23)
    await carts.add(young, product, 1)
    await all_expired(shop)
    assert len((await carts.look(old))["items"]) == 1
    carts.later(hours=1)
    assert await all_expired(shop) >= 1
    assert (await carts.look(old))["cart_id"] is None
    assert len((await carts.look(young))["items"]) == 1
    rows = await shop.sql("SELECT quantity FROM reservations WHERE sku = %s", product["sku"])
    assert rows == [(1,)]


async def test_a_members_saved_products_stay_and_a_guests_go(shop, carts, create_product, create_user):
    kept, dropped, user, guest = await create_product(), await create_product(), await create_user(), carts.guest()
    for headers in (user.headers, guest):
        item = (await carts.add(headers, kept, 2))["items"][0]
        await carts.move(headers, item, "save-for-later")
        await carts.add(headers, dropped, 1)
    carts.later(days=7)
    assert await all_expired(shop) >= 2
    cart = await carts.look(user.headers)
    assert (cart["items"], [i["sku"] for i in cart["saved_for_later"]]) == ([], [kept["sku"]])
    assert (await carts.look(guest))["cart_id"] is None


async def test_a_change_keeps_the_cart(shop, carts, create_product):
    product, guest = await create_product(), carts.guest()
    item = (await carts.add(guest, product))["items"][0]
    carts.later(days=5)
    await carts.change(guest, item, 2)
    carts.later(days=5)
    await all_expired(shop)
    assert [i["quantity"] for i in (await carts.look(guest))["items"]] == [2]
