"""Everything that can touch one payment does so at once: exact outcomes, one charge, books that agree."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal

import pytest

from lakefront.ids import new_id
from transactional.inventory import service as inventory
from transactional.orders.checkout.service import check_out
from transactional.orders.schemas import OrderRequest
from transactional.payments import ledger
from transactional.payments.gateways.interface import OutcomeUnknown
from transactional.payments.gateways.sandbox.gateway import SandboxGateway
from transactional.payments.operations import carry_out_due
from transactional.platform.authentication import Caller
from transactional.platform.errors import Problem

ACCOUNTS = """
SELECT account, sum(amount) FROM payment_ledger_entries WHERE payment_id = %s GROUP BY account HAVING sum(amount) <> 0
"""


async def ordered(shop, create_product, token: str = "tok_visa", quantity: int = 2) -> dict:
    product = await create_product(price="10.00", stock={"main": 9})
    answer = await shop.order({"X-Session-Id": f"session-{new_id()}"}, product, quantity, token)
    return {**answer.json(), "product": product}


async def operate(core) -> None:
    while any(await asyncio.gather(*(carry_out_due(core) for _ in range(4)))):
        pass


async def books(shop, payment_id) -> dict[str, Decimal]:
    assert (await ledger.check(shop.core)).differences == []
    return dict(await shop.sql(ACCOUNTS, payment_id))


async def test_one_cart_completed_four_times_at_once_is_one_settled_payment(shop, wide_core, create_product):
    product = await create_product(price="10.00", stock={"main": 9})
    caller = Caller(None, None, "guest", f"guest-{new_id()}", None, "127.0.0.1", False)
    headers = {"X-Session-Id": caller.session}
    item = {"product_id": product["product_id"], "quantity": 2}
    await shop.client.post("/api/v1/cart/items", json=item, headers=headers)
    cart = (await shop.client.get("/api/v1/cart", headers=headers)).json()
    request = OrderRequest.model_validate({**shop.body(product), "items": None, "cart_id": cart["cart_id"]})

    async def complete() -> int:
        try:
            return (await check_out(wide_core, caller, request, None)).status
        except Problem as problem:
            return problem.status

    assert Counter(await asyncio.gather(*(complete() for _ in range(4)))) == {201: 1, 409: 3}
    await operate(wide_core)
    payments = await shop.sql(
        "SELECT p.id, p.status, p.captured FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.session = %s",
        caller.session,
    )
    ((payment_id, status, captured),) = payments
    assert (status, captured) == ("captured", Decimal(20))
    charges = "SELECT status, captured, requests FROM sandbox_gateway.charges WHERE merchant_reference = %s"
    assert await shop.sql(charges, str(payment_id)) == [("captured", Decimal(20), 1)]
    assert await books(shop, payment_id) == {"gateway_clearing": Decimal(20), "revenue": Decimal(-20)}


async def test_refunds_at_once_pay_out_what_was_captured_and_no_more(shop, wide_core, create_product, internal):
    order = await ordered(shop, create_product)
    await operate(wide_core)

    async def refund(amount: str):
        body = {"payment_id": order["payment_id"], "amount": amount}
        return await shop.client.post("/api/v1/payments/refund", json=body, headers=internal)

    answers = await asyncio.gather(refund("12.00"), refund("12.00"), *(refund("3.00") for _ in range(6)))
    granted = sum(Decimal(answer.json()["amount"]) for answer in answers if answer.status_code == 202)
    assert granted == Decimal(18)  # in whatever order they came
    assert {answer.status_code for answer in answers} == {202, 409}
    await operate(wide_core)
    payment = await shop.payment(order["order_id"])
    assert payment["refunded"] == granted
    assert (await shop.charges(order["order_id"]))[0][3] == granted
    assert (await books(shop, order["payment_id"]))["gateway_clearing"] == Decimal(20) - granted


async def test_two_refunds_that_together_exceed_the_capture_are_one(shop, create_product, internal):
    order = await ordered(shop, create_product)
    await shop.operate()
    body = {"payment_id": order["payment_id"], "amount": "20.00"}
    answers = await asyncio.gather(
        *(shop.client.post("/api/v1/payments/refund", json=body, headers=internal) for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    await shop.operate()
    assert (await shop.payment(order["order_id"]))["status"] == "refunded"
    assert await shop.charges(order["order_id"]) == [("captured", Decimal(20), Decimal(20), Decimal(20), 1)]


@pytest.mark.parametrize("operations_first", [True, False])
async def test_a_cancellation_while_the_capture_runs_gives_everything_back(
    shop, wide_core, create_product, internal, operations_first
):
    order = await ordered(shop, create_product)

    async def cancel() -> None:
        await shop.client.put(f"/api/v1/orders/{order['order_id']}/cancel", headers=internal)

    acts = [carry_out_due(wide_core), cancel()]
    await asyncio.gather(*(acts if operations_first else acts[::-1]))
    await operate(wide_core)
    payment = await shop.payment(order["order_id"])
    assert payment["status"] in ("voided", "refunded")
    ((status, _, captured, refunded, requests),) = await shop.charges(order["order_id"])
    assert (captured - refunded, requests) == (0, 1)
    assert status == ("voided" if payment["status"] == "voided" else "captured")
    assert (await books(shop, order["payment_id"])).get("gateway_clearing", Decimal(0)) == 0
    assert await shop.available(order["product"]) == 9


async def test_an_unknown_charge_that_is_found_after_the_stock_was_gone_is_voided(shop, create_product):
    """The stock was given to someone else by hand while the outcome was unknown; the money then turns up."""

    class Forgetful(SandboxGateway):
        async def authorize(self, request):
            await super().authorize(request)
            raise OutcomeUnknown("the connection broke")

    shop.use_gateway(Forgetful(shop.core.db))
    order = await ordered(shop, create_product)
    assert order["status"] == "pending"
    held = await shop.sql("SELECT id FROM reservations WHERE order_id = %s", order["order_id"])
    async with shop.core.db.transaction() as connection:
        await inventory.release(connection, [row[0] for row in held], shop.core.clock.now())
    await asyncio.gather(*(shop.recover(order["order_id"]) for _ in range(3)))
    await shop.operate()
    assert await shop.status(order["order_id"]) == "failed"
    assert (await shop.payment(order["order_id"]))["status"] == "voided"
    assert await shop.charges(order["order_id"]) == [("voided", Decimal(20), 0, 0, 1)]
    assert await shop.available(order["product"]) == await shop.ledger(order["product"]) == 9
    told = [fact["data"]["status"] for fact in await shop.facts(order["payment_id"])]
    assert told == ["authorized", "voided"]
    due = "SELECT kind FROM payment_operations WHERE payment_id = %s AND status = 'due'"
    assert await shop.sql(due, order["payment_id"]) == []


async def test_workers_at_once_carry_each_operation_out_once(shop, wide_core, create_product):
    orders = [await ordered(shop, create_product) for _ in range(6)]
    await operate(wide_core)
    for order in orders:
        assert await shop.charges(order["order_id"]) == [("captured", Decimal(20), Decimal(20), 0, 1)]
        assert await books(shop, order["payment_id"]) == {"gateway_clearing": Decimal(20), "revenue": Decimal(-20)}
        told = [fact["sequence"] for fact in await shop.facts(order["payment_id"])]
        assert told == [1, 2]
