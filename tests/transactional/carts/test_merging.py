"""A guest's cart joins the account's at login: quantities add up, nothing is lost, and two tabs do it once."""

from __future__ import annotations

import asyncio

from lakefront.ids import new_id
from transactional.carts.merging import merged
from transactional.carts.schemas import MOST_ITEMS, MOST_UNITS


def line(sku, quantity=1, saved=False, currency="USD"):
    return {"id": new_id(), "sku": sku, "quantity": quantity, "saved_for_later": saved, "currency": currency}


def test_quantities_of_a_product_add_up_to_the_most_that_a_cart_holds():
    own, guest = [line("a", 2), line("b", 600)], [line("a", 3), line("b", 600), line("c", 1)]
    plan = merged(own, guest)
    assert plan.lines == {own[0]["id"]: (5, False), own[1]["id"]: (MOST_UNITS, False), guest[2]["id"]: (1, False)}
    assert plan.absorbed == [guest[0]["id"], guest[1]["id"]]


def test_what_is_in_a_cart_wins_over_what_is_saved():
    own, guest = [line("a", 7, saved=True), line("b", 2)], [line("a", 1), line("b", 9, saved=True)]
    assert merged(own, guest).lines == {own[0]["id"]: (1, False), own[1]["id"]: (2, False)}


def test_another_currency_is_saved_for_later():
    own, guest = [line("a")], [line("b", 4, currency="EUR")]
    assert merged(own, guest).lines == {guest[0]["id"]: (4, True)}
    assert merged([], guest).lines == {guest[0]["id"]: (4, False)}


def test_what_a_full_cart_does_not_hold_is_saved_for_later():
    own = [line(f"own-{n}") for n in range(MOST_ITEMS - 1)]
    guest = [line("first"), line("second")]
    assert merged(own, guest).lines == {guest[0]["id"]: (1, False), guest[1]["id"]: (1, True)}


async def log_in(shop, user, guest):
    body = {"email": user.email, "password": user.password}
    answer = await shop.client.post("/api/v1/auth/login", json=body, headers=guest)
    assert answer.status_code == 200, answer.text


async def test_soft_reservations_move_with_the_lines(shop, carts, create_product, create_user):
    both, theirs = await create_product(stock={"main": 9}), await create_product(stock={"main": 9})
    user, guest = await create_user(), carts.guest()
    await carts.add(user.headers, both, 1)
    await carts.add(guest, both, 2)
    await carts.add(guest, theirs, 4)
    await log_in(shop, user, guest)
    cart = await carts.look(user.headers)
    assert {i["sku"]: i["quantity"] for i in cart["items"]} == {both["sku"]: 3, theirs["sku"]: 4}
    held = await shop.sql(
        "SELECT id::text, sku, quantity FROM reservations WHERE level = 'soft' AND sku = ANY(%s)",
        [both["sku"], theirs["sku"]],
    )
    assert sorted(held) == sorted((i["item_id"], i["sku"], i["quantity"]) for i in cart["items"])
    assert await carts.offered(user.headers, theirs) == (9, 0, 9)


async def test_a_currency_that_does_not_fit_waits_among_the_saved(shop, carts, create_product, create_user):
    dollars, euros = await create_product(currency="USD"), await create_product(currency="EUR", stock={"main": 3})
    user, guest = await create_user(), carts.guest()
    await carts.add(user.headers, dollars)
    await carts.add(guest, euros, 2)
    await log_in(shop, user, guest)
    cart = await carts.look(user.headers)
    assert [i["sku"] for i in cart["items"]] == [dollars["sku"]]
    assert [(i["sku"], i["quantity"]) for i in cart["saved_for_later"]] == [(euros["sku"], 2)]
    assert await carts.offered(carts.guest(), euros) == (3, 0, 3)
    back = await shop.client.post(
        f"/api/v1/cart/items/{cart['saved_for_later'][0]['item_id']}/move-to-cart", headers=user.headers
    )
    assert (back.status_code, back.json()["code"]) == (409, "other_currency")


async def test_two_tabs_that_log_in_at_once_merge_once(shop, carts, create_product, create_user):
    products, user = [await create_product(stock={"main": 50}) for _ in range(3)], await create_user()
    for _ in range(4):
        guest = carts.guest()
        for product in products:
            await carts.add(guest, product, 2)
        await asyncio.gather(*(log_in(shop, user, guest) for _ in range(3)), carts.add(user.headers, products[0]))
        assert (await carts.look(guest))["items"] == []
    cart = await carts.look(user.headers)
    assert {i["sku"]: i["quantity"] for i in cart["items"]} == dict(
        zip((p["sku"] for p in products), (12, 8, 8), strict=True)
    )
