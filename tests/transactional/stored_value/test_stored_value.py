"""Gift cards and store credit: never spent twice, given back whole, and always equal to their ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from lakefront.ids import new_id
from transactional.orders.checkout import steps
from transactional.orders.checkout.service import check_out
from transactional.orders.schemas import OrderRequest
from transactional.stored_value import service


@pytest.fixture
def issue(shop, internal):
    """``await issue("50.00")``: a gift card made through the API; answers it with its code."""

    async def issuing(amount: str, currency: str = "USD", **fields):
        body = {"amount": amount, "currency": currency, **fields}
        answer = await shop.client.post("/api/v1/gift-cards", json=body, headers=internal)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return issuing


@pytest.fixture
def card_state(shop, internal):
    """``await card_state(card)``: available, held and the pots between which amounts have moved; the ledger must agree."""

    async def state(card):
        found = (await shop.client.get(f"/api/v1/gift-cards/{card['gift_card_id']}", headers=internal)).json()
        assert await service.ledger_differences(shop.core) == []
        moved = [(posting["debit"], posting["credit"], posting["amount"]) for posting in found["ledger"]]
        return found["available"], found["held"], moved

    return state


def guest() -> dict[str, str]:
    return {"X-Session-Id": f"session-{new_id()}"}


ISSUED = ("issued", "available", "50.00")


async def test_a_gift_card_pays_first_and_the_card_the_rest(shop, create_product, issue, card_state):
    product, card, headers = await create_product(price="30.00", stock={"main": 9}), await issue("50.00"), guest()
    answer = await shop.order(headers, product, 2, gift_card_codes=[card["code"].lower()], expected_amount_due="10.00")
    order = answer.json()
    assert (order["status"], order["total_amount"], order["amount_due"]) == ("confirmed", "60.00", "10.00"), order
    await shop.operate()
    assert await shop.charges(order["order_id"]) == [("captured", Decimal(10), Decimal(10), 0, 1)]
    moved = [ISSUED, ("available", "held", "50.00"), ("held", "spent", "50.00")]
    assert await card_state(card) == ("0.00", "0.00", moved)
    detail = (await shop.client.get(f"/api/v1/orders/{order['order_id']}", headers=headers)).json()
    assert (detail["total_amount"], detail["amount_due"]) == ("60.00", "10.00")
    placed = (await shop.facts(order["order_id"]))[0]["data"]
    assert (placed["total"], placed["stored_value"]) == ("60.00", "50.00")
    assert card["code"] not in str(placed) and card["code"].replace("-", "") not in str(
        await shop.sql("SELECT context, answer FROM checkouts WHERE order_id = %s", order["order_id"])
    )


async def test_an_order_that_is_paid_whole_asks_no_gateway(shop, create_product, issue, card_state):
    product, card, headers = await create_product(price="20.00", stock={"main": 9}), await issue("50.00"), guest()
    order = (await shop.order(headers, product, gift_card_codes=[card["code"]])).json()
    assert (order["status"], order["payment_status"], order["amount_due"]) == ("confirmed", "captured", "0.00")
    await shop.operate()
    assert await shop.charges(order["order_id"]) == []
    assert (await card_state(card))[:2] == ("30.00", "0.00")
    cancelled = await shop.client.put(f"/api/v1/orders/{order['order_id']}/cancel", headers=headers)
    assert cancelled.json()["payment_status"] == "refunded"
    await shop.operate()
    assert (await card_state(card))[:2] == ("50.00", "0.00")
    told = await shop.facts(order["payment_id"])
    assert [(f["sequence"], f["data"]["status"]) for f in told] == [(1, "captured"), (2, "refunded")]
    assert await shop.available(product) == 9


async def test_one_gift_card_in_two_tabs_is_spent_once(
    shop, wide_core, create_product, issue, card_state, new_caller, outcome_of
):
    product, card = await create_product(price="50.00", stock={"main": 50}), await issue("50.00")
    request = OrderRequest.model_validate(shop.body(product, gift_card_codes=[card["code"]]))
    racing = [outcome_of(check_out(wide_core, new_caller(), request, None)) for _ in range(8)]
    assert Counter(await asyncio.gather(*racing)) == {"confirmed": 1, "gift_card_not_valid": 7}
    moved = [ISSUED, ("available", "held", "50.00"), ("held", "spent", "50.00")]
    assert await card_state(card) == ("0.00", "0.00", moved)
    assert await shop.available(product) == await shop.ledger(product) == 49


async def test_two_tabs_share_a_card_only_where_they_said_what_they_would_pay(
    shop, wide_core, create_product, issue, card_state, new_caller, outcome_of
):
    product, card = await create_product(price="30.00", stock={"main": 50}), await issue("50.00")
    body = shop.body(product, gift_card_codes=[card["code"]], expected_amount_due="0.00")
    request = OrderRequest.model_validate(body)
    racing = [outcome_of(check_out(wide_core, new_caller(), request, None)) for _ in range(2)]
    assert Counter(await asyncio.gather(*racing)) == {"confirmed": 1, "total_changed": 1}
    assert (await card_state(card))[:2] == ("20.00", "0.00")


async def test_two_cards_named_in_either_order_do_not_deadlock(
    shop, wide_core, create_product, issue, card_state, new_caller, outcome_of
):
    product = await create_product(price="10.00", stock={"main": 50})
    cards = [await issue("50.00") for _ in range(2)]
    codes = [card["code"] for card in cards]
    requests = [
        OrderRequest.model_validate(shop.body(product, gift_card_codes=order)) for order in (codes, codes[::-1]) * 5
    ]
    racing = [outcome_of(check_out(wide_core, new_caller(), request, None)) for request in requests]
    assert Counter(await asyncio.gather(*racing)) == {"confirmed": 10}
    assert [(await card_state(card))[:2] for card in cards] == [("0.00", "0.00")] * 2


async def test_store_credit_in_two_tabs_is_spent_once(
    shop, wide_core, create_user, create_product, internal, outcome_of
):
    user, product = await create_user(), await create_product(price="40.00", stock={"main": 50})
    body = {"user_id": user.user_id, "amount": "40.00", "currency": "USD"}
    keyed = {**internal, "Idempotency-Key": f"refund-{new_id()}"}
    issues = [await shop.client.post("/api/v1/store-credit", json=body, headers=keyed) for _ in range(2)]
    assert [(a.status_code, a.json()["available"]) for a in issues] == [(201, "40.00")] * 2
    other = await shop.client.post("/api/v1/store-credit", json={**body, "amount": "1.00"}, headers=keyed)
    assert other.json()["code"] == "idempotency_key_reused"
    tab = shop.body(product, use_store_credit=True, expected_amount_due="0.00")
    answers = await asyncio.gather(
        *(shop.client.post("/api/v1/orders", json=tab, headers=user.headers) for _ in range(4))
    )
    assert Counter(a.status_code for a in answers) == {201: 1, 409: 3}
    left = (await shop.client.get("/api/v1/store-credit", headers=user.headers)).json()
    assert left == {"items": [{"currency": "USD", "available": "0.00", "held": "0.00"}]}
    (paid,) = [a.json()["order_id"] for a in answers if a.status_code == 201]
    await shop.client.put(f"/api/v1/orders/{paid}/cancel", headers=user.headers)
    left = (await shop.client.get("/api/v1/store-credit", headers=user.headers)).json()
    assert left["items"][0]["available"] == "40.00"
    assert await service.ledger_differences(shop.core) == []


async def test_a_declined_payment_gives_the_card_back_and_a_retry_takes_it_again(
    shop, create_product, issue, card_state
):
    product, card, headers = await create_product(price="60.00", stock={"main": 9}), await issue("50.00"), guest()
    declined = await shop.order(headers, product, 1, "tok_decline_card", gift_card_codes=[card["code"]])
    assert declined.status_code == 402 and (await card_state(card))[:2] == ("50.00", "0.00")
    process = {"order_id": declined.json()["order_id"], "payment_method": "tok_visa"}
    paid = await shop.client.post("/api/v1/payments/process", json=process, headers=headers)
    assert (paid.status_code, paid.json()["amount_due"]) == (201, "10.00")
    assert (await card_state(card))[:2] == ("0.00", "0.00")
    assert sorted(charge[1] for charge in await shop.charges(process["order_id"])) == [Decimal(10), Decimal(10)]


async def test_a_retry_is_refused_where_the_card_was_spent_since(shop, create_product, issue, card_state):
    product, card, headers = await create_product(price="60.00", stock={"main": 9}), await issue("50.00"), guest()
    declined = await shop.order(headers, product, 1, "tok_decline_card", gift_card_codes=[card["code"]])
    assert (await shop.order(guest(), product, gift_card_codes=[card["code"]])).status_code == 201
    process = {"order_id": declined.json()["order_id"], "payment_method": "tok_visa"}
    again = await shop.client.post("/api/v1/payments/process", json=process, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "stored_value_gone")
    assert await shop.status(process["order_id"]) == "failed"
    assert (await card_state(card))[:2] == ("0.00", "0.00")
    assert await shop.available(product) == await shop.ledger(product) == 8


@pytest.mark.parametrize("price", ["60.00", "40.00"])
async def test_a_reviewed_order_holds_until_a_person_decides(shop, create_product, issue, card_state, internal, price):
    product = await create_product(price=price, stock={"main": 9})
    shop.judge("review")
    spent = min(Decimal(price), Decimal(50))
    for accept, left, status in ((True, 50 - spent, "captured"), (False, Decimal(50), "voided")):
        card = await issue("50.00")
        order = (await shop.order(guest(), product, gift_card_codes=[card["code"]])).json()
        assert order["status"] == "review" and (await card_state(card))[1] == f"{spent:.2f}"
        url = f"/api/v1/orders/{order['order_id']}/review"
        assert (await shop.client.post(url, json={"accept": accept}, headers=internal)).status_code == 200
        await shop.operate()
        assert (await card_state(card))[:2] == (f"{left:.2f}", "0.00")
        assert (await shop.payment(order["order_id"]))["status"] == status


class Died(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("price", "step"), [("60.00", "settle"), ("40.00", "settle"), ("40.00", "assess")])
async def test_a_checkout_that_lost_its_process_spends_the_card_once(
    shop, create_product, issue, card_state, monkeypatch, price, step
):
    async def die(*_, **__):
        raise Died

    product, card, headers = await create_product(price=price, stock={"main": 9}), await issue("50.00"), guest()
    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(steps, step, die)
        await shop.order(headers, product, gift_card_codes=[card["code"]])
    spent = min(Decimal(price), Decimal(50))
    assert (await card_state(card))[:2] == (f"{50 - spent:.2f}", f"{spent:.2f}")
    ((order_id,),) = await shop.sql("SELECT id FROM orders WHERE session = %s", headers["X-Session-Id"])
    await asyncio.gather(*(shop.recover(order_id) for _ in range(3)))
    assert await shop.status(order_id) == "confirmed"
    assert (await card_state(card))[:2] == (f"{50 - spent:.2f}", "0.00")


async def test_a_coupon_and_a_card_together_pay_everything(shop, create_product, issue, card_state, internal):
    product, card = await create_product(price="40.00", stock={"main": 9}), await issue("50.00")
    coupon = {"code": f"C-{new_id().hex[-12:]}", "kind": "percentage", "value": 25, "max_uses": 1}
    await shop.client.post("/api/v1/promotions/coupons", json=coupon, headers=internal)
    body = {"coupon_code": coupon["code"], "gift_card_codes": [card["code"]]}
    items = [{"product_id": product["product_id"], "quantity": 2}]
    quote = (await shop.client.post("/api/v1/checkout/quote", json={"items": items, **body}, headers=guest())).json()
    assert (quote["total"], quote["amount_due"]) == ("60.00", "10.00")
    assert quote["stored_value"] == [{"kind": "gift_card", "code_end": card["code"][-4:], "amount": "50.00"}]
    assert (await card_state(card))[0] == "50.00"
    order = (await shop.order(guest(), product, **body)).json()
    assert (order["total_amount"], order["amount_due"], order["payment_status"]) == ("30.00", "0.00", "captured")
    assert (await card_state(card))[:2] == ("20.00", "0.00")


async def test_a_card_that_does_not_count_says_why(shop, create_product, issue, internal):
    product = await create_product(price="10.00", stock={"main": 9})
    later = (shop.core.clock.now() + timedelta(days=1)).isoformat()
    cards = {"expired": await issue("5.00", expires_at=later), "currency": await issue("5", "JPY"),
             "ended": await issue("5.00"), "unknown": {"code": "0000-0000-0000-0000"}}  # fmt: skip
    await shop.sql("UPDATE stored_values SET expires_at = now() WHERE id = %s", cards["expired"]["gift_card_id"])
    url = f"/api/v1/gift-cards/{cards['ended']['gift_card_id']}/end"
    ended = [await shop.client.post(url, headers=internal) for _ in range(2)]
    assert ended[0].json() == ended[1].json() and ended[0].json()["ended_at"]
    for reason, card in cards.items():
        answer = await shop.order(guest(), product, gift_card_codes=[card["code"]])
        assert (answer.status_code, answer.json()["code"]) == (409, "gift_card_not_valid"), reason
        assert answer.json()["reason"] == reason
    assert (await shop.order(guest(), product, gift_card_codes=["short"])).status_code == 422
    assert await shop.available(product) == 9


async def test_a_card_named_twice_pays_once(shop, create_product, issue, card_state):
    product, card = await create_product(price="80.00", stock={"main": 9}), await issue("50.00")
    order = (await shop.order(guest(), product, gift_card_codes=[card["code"], card["code"]])).json()
    assert order["amount_due"] == "30.00" and (await card_state(card))[0] == "0.00"


async def test_one_key_issues_one_card_and_tells_its_code_again(shop, internal, create_user):
    body, keyed = {"amount": "25.00", "currency": "USD"}, {**internal, "Idempotency-Key": f"order-{new_id()}"}
    url = "/api/v1/gift-cards"
    answers = await asyncio.gather(*(shop.client.post(url, json=body, headers=keyed) for _ in range(4)))
    assert len({answer.text for answer in answers}) == 1 and answers[0].status_code == 201
    other = await shop.client.post(url, json={**body, "amount": "26.00"}, headers=keyed)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    left = await shop.client.post(f"{url}/balance", json={"code": answers[0].json()["code"].lower()})
    assert (left.status_code, left.json()["available"]) == (200, "25.00")
    assert (await shop.client.post(url, json=body, headers=(await create_user()).headers)).status_code == 403
    kept = await shop.sql("SELECT * FROM stored_values WHERE id = %s", answers[0].json()["gift_card_id"])
    assert answers[0].json()["code"].replace("-", "") not in str(kept)


@pytest.mark.parametrize(("price", "refunded"), [("60.00", "10.00"), ("40.00", "0.00")])
async def test_a_refund_of_everything_gives_the_card_back_once(
    shop, create_product, issue, card_state, internal, price, refunded
):
    product, card = await create_product(price=price, stock={"main": 9}), await issue("50.00")
    order = (await shop.order(guest(), product, gift_card_codes=[card["code"]])).json()
    await shop.operate()
    body = {"payment_id": order["payment_id"]}
    if refunded != "0.00":
        partly = await shop.client.post("/api/v1/payments/refund", json={**body, "amount": "1.00"}, headers=internal)
        assert partly.status_code == 202 and (await card_state(card))[0] == "0.00"
        refunded = "9.00"
    keyed = {**internal, "Idempotency-Key": f"refund-{new_id()}"}
    answers = [await shop.client.post("/api/v1/payments/refund", json=body, headers=keyed) for _ in range(2)]
    assert [(a.status_code, a.json()["amount"]) for a in answers] == [(202, refunded)] * 2
    assert answers[0].json()["refund_id"] == answers[1].json()["refund_id"]
    await shop.operate()
    assert (await card_state(card))[:2] == ("50.00", "0.00")
    assert (await shop.payment(order["order_id"]))["status"] == "refunded"
    assert sum(charge[3] for charge in await shop.charges(order["order_id"])) == max(Decimal(price) - 50, 0)


async def test_the_ledger_is_append_only(shop, issue):
    card = await issue("5.00")
    with pytest.raises(psycopg.errors.RestrictViolation):
        await shop.sql("UPDATE stored_value_ledger SET amount = 6 WHERE stored_value_id = %s", card["gift_card_id"])


async def test_an_order_of_nothing_costs_nothing(shop, create_product):
    """A product that is given away needs no gateway either."""
    product = await create_product(price="0.00", stock={"main": 9})
    order = (await shop.order(guest(), product)).json()
    assert (order["status"], order["payment_status"], order["total_amount"]) == ("confirmed", "captured", "0.00")
    assert await shop.charges(order["order_id"]) == []
