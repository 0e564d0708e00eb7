"""Everything runs concurrently with itself: exact outcomes on real PostgreSQL, through the API and at the service."""

from __future__ import annotations

import asyncio
from collections import Counter

from lakefront.ids import new_id
from transactional.orders.api import answered
from transactional.orders.checkout.service import check_out
from transactional.orders.schemas import OrderRequest


async def test_sixteen_checkouts_on_five_units_sell_five(shop, wide_core, create_product, new_caller, outcome_of):
    product = await create_product(stock={"east": 3, "west": 2})
    request = OrderRequest.model_validate(shop.body(product))
    racing = [outcome_of(check_out(wide_core, new_caller(), request, None)) for _ in range(16)]
    assert Counter(await asyncio.gather(*racing)) == {"confirmed": 5, "out_of_stock": 11}
    assert await shop.available(product) == await shop.ledger(product) == 0
    sold = await shop.sql("SELECT level, sum(quantity) FROM reservations WHERE sku = %s GROUP BY level", product["sku"])
    assert sold == [("allocated", 5)]
    facts = [f for w in ("east", "west") for f in await shop.facts(f"{product['sku']}:{w}")]
    assert sum(f["data"]["change"] for f in facts) == 0 and len(facts) == 2 + 5


async def test_sixteen_requests_on_five_units_sell_five(shop, create_product):
    product = await create_product(stock={"main": 5})
    answers = await asyncio.gather(*(shop.order({"X-Session-Id": f"session-{new_id()}"}, product) for _ in range(16)))
    assert Counter(a.status_code for a in answers) == {201: 5, 409: 11}
    assert await shop.available(product) == await shop.ledger(product) == 0


async def test_several_products_are_locked_without_deadlock(shop, wide_core, create_product, new_caller, outcome_of):
    products = [await create_product(stock={"main": 40}) for _ in range(4)]

    def body(turn: int) -> OrderRequest:
        rotated = products[turn % 4 :] + products[: turn % 4]
        items = [{"product_id": p["product_id"], "quantity": 1} for p in rotated]
        return OrderRequest.model_validate(shop.body(products[0], items=items))

    racing = [outcome_of(check_out(wide_core, new_caller(), body(turn), None)) for turn in range(24)]
    assert Counter(await asyncio.gather(*racing)) == {"confirmed": 24}
    assert [await shop.available(p) for p in products] == [16] * 4


async def test_equal_keys_at_once_give_one_order_and_equal_answers(shop, wide_core, create_product, new_caller):
    product = await create_product(stock={"main": 5})
    request, caller = OrderRequest.model_validate(shop.body(product)), new_caller()
    answers = await asyncio.gather(*(check_out(wide_core, caller, request, "key-1") for _ in range(6)))
    assert {a.status for a in answers} == {201}
    assert len({answered(a).body for a in answers}) == 1
    assert await shop.available(product) == 4
    charges = await shop.charges(answers[0].body["order_id"])
    assert len(charges) == 1 and charges[0][4] == 1


async def test_a_key_belongs_to_one_request_and_one_caller(shop, create_user, create_product):
    product = await create_product(stock={"main": 1})
    headers = {**(await create_user()).headers, "Idempotency-Key": "basket-7"}
    first = await shop.order(headers, product)
    again = await shop.order(headers, product)  # although nothing is left
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    other_body = await shop.order(headers, product, token="tok_other")
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_key_reused")
    other_caller = await shop.order({**(await create_user()).headers, "Idempotency-Key": "basket-7"}, product)
    assert (other_caller.status_code, other_caller.json()["code"]) == (409, "out_of_stock")


async def test_a_refusal_is_repeated_for_its_key(shop, create_user, create_product):
    product = await create_product(stock={"main": 1})
    headers = {**(await create_user()).headers, "Idempotency-Key": "declined"}
    first, again = [await shop.order(headers, product, token="tok_decline_x") for _ in range(2)]
    assert first.status_code == again.status_code == 402
    assert first.json()["order_id"] == again.json()["order_id"]
    assert len(await shop.charges(first.json()["order_id"])) == 1


async def test_one_cart_completed_four_times_at_once_is_one_order(
    shop, wide_core, create_product, new_caller, outcome_of
):
    product = await create_product(stock={"main": 9})
    caller = new_caller()
    headers = {"X-Session-Id": caller.session}
    await shop.client.post(
        "/api/v1/cart/items", json={"product_id": product["product_id"], "quantity": 2}, headers=headers
    )
    cart = (await shop.client.get("/api/v1/cart", headers=headers)).json()
    body = {**shop.body(product), "items": None, "cart_id": cart["cart_id"]}
    request = OrderRequest.model_validate(body)
    outcomes = await asyncio.gather(*(outcome_of(check_out(wide_core, caller, request, None)) for _ in range(4)))
    assert Counter(outcomes) == {"confirmed": 1, "cart_empty": 3}
    assert await shop.available(product) == 7
