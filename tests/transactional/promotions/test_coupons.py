"""Coupons: what they take off, to the cent, and that a limit holds whoever races for the last use."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from lakefront.ids import new_id
from transactional.orders.checkout import steps
from transactional.orders.checkout.service import check_out
from transactional.orders.schemas import OrderRequest


@pytest.fixture
def make_coupon(shop, internal):
    """``await make_coupon(kind="amount", value="5.00", currency="USD")``: made through the API; answers the coupon."""

    async def make(**terms):
        body = {"code": f"C-{new_id().hex[-12:]}", "kind": "percentage", "value": "10", **terms}
        answer = await shop.client.post("/api/v1/promotions/coupons", json=body, headers=internal)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make


async def uses(shop, coupon) -> int:
    """Uses of a coupon, which must be the redemptions that are in force."""
    ((counted, in_force),) = await shop.sql(
        "SELECT uses, (SELECT count(*) FROM coupon_redemptions r WHERE r.coupon_id = c.id AND r.released_at IS NULL)"
        " FROM coupons c WHERE code = %s",
        coupon["code"],
    )
    assert counted == in_force
    return counted


def guest() -> dict[str, str]:
    return {"X-Session-Id": f"session-{new_id()}"}


async def test_a_percentage_is_taken_off_and_shared_by_the_lines(shop, create_product, make_coupon):
    cheap, dear = [await create_product(price=price, stock={"main": 9}) for price in ("0.10", "10.00")]
    coupon = await make_coupon(value="33.3")
    items = [{"product_id": cheap["product_id"], "quantity": 3}, {"product_id": dear["product_id"], "quantity": 1}]
    answer = await shop.order(guest(), cheap, items=items, coupon_code=coupon["code"].lower())
    order = answer.json()
    assert answer.status_code == 201, answer.text
    assert (order["charges"]["subtotal"], order["charges"]["discount"]) == ("10.30", "3.43")
    assert order["total_amount"] == "6.87"
    by_product = {item["product_id"]: (item["discount"], item["total"]) for item in order["items"]}
    assert sorted(by_product.values()) in ([("0.10", "0.20"), ("3.33", "6.67")],)
    assert (await shop.charges(order["order_id"]))[0][1] == Decimal("6.87")
    assert await uses(shop, coupon) == 1
    placed = (await shop.facts(order["order_id"]))[0]["data"]
    assert (placed["discount"], placed["total"]) == ("3.43", "6.87")
    assert coupon["code"] not in str(placed)


async def test_an_amount_never_exceeds_the_order(shop, create_product, make_coupon):
    product = await create_product(price="30.00", stock={"main": 9})
    coupon = await make_coupon(kind="amount", value="100.00", currency="USD")
    quote = {"items": [{"product_id": product["product_id"], "quantity": 2}], "coupon_code": coupon["code"]}
    shown = await shop.client.post("/api/v1/checkout/quote", json=quote, headers=guest())
    assert (shown.json()["subtotal"], shown.json()["discount"], shown.json()["total"]) == ("60.00", "60.00", "0.00")
    assert await uses(shop, coupon) == 0


async def test_a_coupon_that_does_not_count_says_why(shop, create_product, make_coupon):
    product = await create_product(price="30.00", stock={"main": 9})
    now = shop.core.clock.now()
    later, earlier = (now + timedelta(hours=1)).isoformat(), (now - timedelta(hours=1)).isoformat()
    long_ago = (now - timedelta(hours=2)).isoformat()
    cases = {
        "not_started": await make_coupon(starts_at=later),
        "ended": await make_coupon(starts_at=long_ago, ends_at=(now + timedelta(hours=1)).isoformat()),
        "below_minimum": await make_coupon(minimum_amount="30.01", currency="USD"),
        "currency": await make_coupon(kind="amount", value="5.00", currency="EUR"),
        "unknown": {"code": "NO-SUCH-COUPON"},
    }
    await shop.sql("UPDATE coupons SET ends_at = %s WHERE code = %s", earlier, cases["ended"]["code"])
    for reason, coupon in cases.items():
        answer = await shop.order(guest(), product, coupon_code=coupon["code"])
        assert (answer.status_code, answer.json()["code"]) == (409, "coupon_not_valid"), reason
        assert answer.json()["reason"] == reason
    assert await shop.available(product) == 9


async def test_one_use_under_ten_checkouts_is_one_use(
    shop, wide_core, create_product, make_coupon, new_caller, outcome_of
):
    product = await create_product(price="10.00", stock={"main": 50})
    coupon = await make_coupon(value="50", max_uses=1)
    request = OrderRequest.model_validate(shop.body(product, coupon_code=coupon["code"]))
    racing = [outcome_of(check_out(wide_core, new_caller(), request, None)) for _ in range(10)]
    assert Counter(await asyncio.gather(*racing)) == {"confirmed": 1, "coupon_not_valid": 9}
    assert await uses(shop, coupon) == 1
    assert await shop.available(product) == await shop.ledger(product) == 49
    totals = await shop.sql("SELECT o.total FROM orders o JOIN order_lines l ON l.order_id = o.id WHERE l.sku = %s",
                            product["sku"])  # fmt: skip
    assert totals == [(Decimal("5.00"),)]


async def test_a_customer_uses_a_coupon_as_often_as_allowed(
    shop, wide_core, create_product, make_coupon, new_caller, outcome_of
):
    product, coupon = await create_product(stock={"main": 50}), await make_coupon(max_uses_per_customer=2, max_uses=3)
    request = OrderRequest.model_validate(shop.body(product, coupon_code=coupon["code"]))
    one, another = new_caller(), new_caller()
    racing = [outcome_of(check_out(wide_core, one, request, None)) for _ in range(5)]
    assert Counter(await asyncio.gather(*racing)) == {"confirmed": 2, "coupon_not_valid": 3}
    racing = [outcome_of(check_out(wide_core, another, request, None)) for _ in range(3)]
    assert Counter(await asyncio.gather(*racing)) == {"confirmed": 1, "coupon_not_valid": 2}
    assert await uses(shop, coupon) == 3


async def test_a_declined_payment_does_not_consume_the_coupon(shop, create_product, make_coupon):
    product, coupon, headers = await create_product(stock={"main": 9}), await make_coupon(max_uses=1), guest()
    declined = await shop.order(headers, product, 1, "tok_decline_card", coupon_code=coupon["code"])
    assert declined.status_code == 402 and await uses(shop, coupon) == 0
    process = {"order_id": declined.json()["order_id"], "payment_method": "tok_visa"}
    paid = await shop.client.post("/api/v1/payments/process", json=process, headers=headers)
    assert (paid.status_code, paid.json()["total_amount"]) == (201, "9.00") and await uses(shop, coupon) == 1
    other = await shop.order(guest(), product, coupon_code=coupon["code"])
    assert other.json()["reason"] == "used_up"


async def test_a_payment_is_not_tried_again_without_its_coupon(shop, create_product, make_coupon):
    product, coupon, headers = await create_product(stock={"main": 9}), await make_coupon(max_uses=1), guest()
    declined = await shop.order(headers, product, 1, "tok_decline_card", coupon_code=coupon["code"])
    assert (await shop.order(guest(), product, coupon_code=coupon["code"])).status_code == 201
    process = {"order_id": declined.json()["order_id"], "payment_method": "tok_visa"}
    again = await shop.client.post("/api/v1/payments/process", json=process, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "coupon_not_valid")
    assert await shop.status(declined.json()["order_id"]) == "failed"
    assert await shop.available(product) == await shop.ledger(product) == 8


async def test_recovery_releases_the_coupon_of_a_lost_checkout_that_fails(
    shop, create_product, make_coupon, monkeypatch
):
    class Died(BaseException):
        """The process ends here."""

    async def die(*_, **__):
        raise Died

    product, coupon, headers = await create_product(stock={"main": 9}), await make_coupon(max_uses=1), guest()
    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(steps, "assess", die)
        await shop.order(headers, product, coupon_code=coupon["code"])
    assert await uses(shop, coupon) == 1
    ((order_id,),) = await shop.sql("SELECT id FROM orders WHERE session = %s", headers["X-Session-Id"])
    shop.judge("decline")
    await shop.recover(order_id)
    assert (await shop.status(order_id), await uses(shop, coupon)) == ("failed", 0)
    assert await shop.available(product) == 9


async def test_cancelling_gives_the_coupon_back_once(shop, create_product, make_coupon):
    product, coupon, headers = await create_product(stock={"main": 9}), await make_coupon(max_uses=1), guest()
    order_id = (await shop.order(headers, product, coupon_code=coupon["code"])).json()["order_id"]
    for _ in range(2):
        await shop.client.put(f"/api/v1/orders/{order_id}/cancel", headers=headers)
    assert await uses(shop, coupon) == 0
    assert (await shop.order(headers, product, coupon_code=coupon["code"])).status_code == 201


async def test_a_total_that_no_longer_holds_is_refused_with_the_new_quote(shop, create_product, make_coupon):
    product, coupon = await create_product(price="10.00", stock={"main": 9}), await make_coupon()
    answer = await shop.order(guest(), product, 2, coupon_code=coupon["code"], expected_total="17.99")
    assert (answer.status_code, answer.json()["code"]) == (409, "total_changed")
    quote = answer.json()["quote"]
    assert (quote["subtotal"], quote["discount"], quote["total"]) == ("20.00", "2.00", "18.00")
    assert await uses(shop, coupon) == 0 and await shop.available(product) == 9
    accepted = await shop.order(guest(), product, 2, coupon_code=coupon["code"], expected_total=quote["total"])
    assert accepted.status_code == 201


async def test_merchandisers_make_list_and_end_coupons(shop, create_user, internal, make_coupon):
    user, coupon = await create_user(), await make_coupon(value="12.5")
    url = "/api/v1/promotions/coupons"
    assert coupon["value"] == "12.5"
    body = {"code": coupon["code"], "kind": "percentage", "value": 5}
    taken = await shop.client.post(url, json=body, headers=internal)
    assert (taken.status_code, taken.json()["code"]) == (409, "coupon_code_taken")
    assert (await shop.client.post(url, json=body, headers=user.headers)).status_code == 403
    for wrong in ({"value": 101}, {"kind": "amount"}, {"kind": "amount", "value": "1.5", "currency": "JPY"}):
        refused = await shop.client.post(url, json={**body, "code": "WRONG-1", **wrong}, headers=internal)
        assert refused.status_code == 422, wrong
    newer = await make_coupon()
    page = (await shop.client.get(url, params={"limit": 1}, headers=internal)).json()
    assert page["items"][0]["code"] == newer["code"] and page["next_cursor"]
    following = await shop.client.get(url, params={"limit": 1, "cursor": page["next_cursor"]}, headers=internal)
    assert following.json()["items"][0]["code"] == coupon["code"]
    ended = [await shop.client.post(f"{url}/{coupon['coupon_id']}/end", headers=internal) for _ in range(2)]
    assert ended[0].json() == ended[1].json() and ended[0].json()["ends_at"] is not None
