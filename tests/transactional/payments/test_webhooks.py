"""Webhooks of both gateways: verified, in any order, twice and late."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from decimal import Decimal

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr

from lakefront.ids import new_id
from lakefront.secrets import secrets
from lakefront.webhook_signature import is_valid, sign
from transactional.payments import ledger
from transactional.payments.gateways.protection import ProtectedGateway
from transactional.payments.gateways.registry import install
from transactional.payments.gateways.sandbox.delivery import deliver_webhooks
from transactional.payments.gateways.sandbox.gateway import SandboxGateway

SANDBOX = "/api/v1/payments/webhooks/sandbox"
STRIPE = "/api/v1/payments/webhooks/stripe"
SECRET = "whsec_of_this_test"


@pytest_asyncio.fixture
async def stripe_shop(shop, stripe_gateway):
    """The shop with Stripe as its only gateway."""
    chosen = shop.core.settings.model_copy(update={"stripe_webhook_secret": SecretStr(SECRET)})
    shop.app.state.core = dataclasses.replace(shop.core, settings=chosen)
    install(shop.core, {"stripe": ProtectedGateway(stripe_gateway, call_seconds=8)})
    return shop


async def post(shop, path: str, body: dict, key: str, at: float | None = None):
    payload = json.dumps(body).encode()
    header = "Stripe-Signature" if path == STRIPE else "X-Sandbox-Signature"
    headers = {header: sign(payload, key, at), "Content-Type": "application/json"}
    return await shop.client.post(path, content=payload, headers=headers)


async def sandbox_says(shop, payment_id, kind: str = "authorized", gateway: str = "sandbox"):
    body = {"type": kind, "merchant_reference": str(payment_id), "gateway": gateway}
    return await post(shop, SANDBOX, body, secrets().webhook_key)


def event(kind: str, reference: str, **subject) -> dict:
    return {
        "id": f"evt_{new_id().hex}",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": {"id": reference, **subject}},
    }


async def stripe_says(shop, kind: str, reference: str, **subject):
    return await post(shop, STRIPE, event(kind, reference, **subject), SECRET)


async def ordered(shop, create_product, token: str, quantity: int = 2) -> dict:
    product = await create_product(price="10.00", stock={"main": 9})
    answer = await shop.order({"X-Session-Id": f"session-{new_id()}"}, product, quantity, token)
    return {**answer.json(), "product": product}


async def strays(shop, payment_id) -> list[tuple]:
    statement = "SELECT gateway, status, reason FROM payment_operations WHERE payment_id = %s AND kind = 'void_stray'"
    return await shop.sql(statement, payment_id)


def test_a_signature_holds_for_its_body_its_key_and_five_minutes():
    body, header = b'{"a":1}', sign(b'{"a":1}', "key", at=1_000_000)
    assert is_valid(body, header, "key", now=1_000_300)
    assert is_valid(body, header, "key", now=999_700)
    assert not is_valid(body, header, "key", now=1_000_301)
    assert not is_valid(body, header, "key", now=999_699)
    assert not is_valid(body + b" ", header, "key", now=1_000_000)
    assert not is_valid(body, header, "other", now=1_000_000)
    assert not is_valid(body, header.replace("t=1000000", "t=1000200"), "key", now=1_000_000)
    for nonsense in (None, "", "t=1,v1", "v1=abc", "t=x,v1=é", "t=1,t=2,v1=a", f"t={'9' * 40},v1=a"):
        assert not is_valid(body, nonsense, "key")


@pytest.mark.parametrize("path", [SANDBOX, STRIPE])
async def test_what_is_not_signed_by_the_gateway_just_now_is_refused(stripe_shop, path):
    key = SECRET if path == STRIPE else secrets().webhook_key
    body = {"type": "authorized", "merchant_reference": str(new_id())}
    answers = [
        await post(stripe_shop, path, body, "another key"),
        await post(stripe_shop, path, body, key, at=time.time() - 301),
        await stripe_shop.client.post(path, json=body),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "invalid_signature")] * 3


async def test_without_stripes_secret_nothing_is_taken_from_stripe(shop):
    answer = await post(shop, STRIPE, event("payment_intent.succeeded", "pi_1"), "")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")


async def test_a_payment_through_stripe_from_order_to_refund(stripe_shop, local_stripe, create_product, internal):
    shop = stripe_shop
    order = await ordered(shop, create_product, "pm_card_visa")
    assert order["status"] == "confirmed"
    (intent,) = local_stripe.intents(order["payment_id"])
    assert (intent["status"], intent["amount"]) == ("requires_capture", 2000)
    await shop.operate()
    payment = await shop.payment(order["order_id"])
    assert (payment["status"], payment["captured"]) == ("captured", Decimal(20))
    body = {"payment_id": order["payment_id"], "amount": "5.00"}
    await shop.client.post("/api/v1/payments/refund", json=body, headers=internal)
    await shop.operate()
    refunds = local_stripe.get("/v1/refunds", payment_intent=intent["id"])["data"]
    assert [refund["amount"] for refund in refunds] == [500]
    assert (await ledger.check(shop.core)).is_right


async def test_a_decline_at_stripe_leaves_the_stock_free(stripe_shop, create_product):
    order = await ordered(stripe_shop, create_product, "pm_card_chargeCustomerFail")
    assert (order["code"], order["reason"]) == ("payment_declined", "card_declined")
    assert await stripe_shop.available(order["product"]) == 9


async def test_cancelling_an_order_voids_it_at_stripe(stripe_shop, local_stripe, create_product):
    stripe_shop.judge("review")
    order = await ordered(stripe_shop, create_product, "pm_card_visa")
    headers = {"X-Internal-Key": secrets().internal_key}
    cancelled = await stripe_shop.client.put(f"/api/v1/orders/{order['order_id']}/cancel", headers=headers)
    assert cancelled.json()["status"] == "cancelled"
    await stripe_shop.operate()
    assert (await stripe_shop.payment(order["order_id"]))["status"] == "voided"
    assert [intent["status"] for intent in local_stripe.intents(order["payment_id"])] == ["canceled"]


@pytest.mark.parametrize("misfortune", ["lose_answer", "lose_request"])
async def test_a_webhook_and_the_recovery_at_once_end_in_one_charge_at_stripe(
    stripe_shop, local_stripe, create_product, misfortune
):
    shop = stripe_shop
    local_stripe.suffer(misfortune)
    order = await ordered(shop, create_product, "pm_card_visa")
    assert (order["status"], await shop.available(order["product"])) == ("pending", 7)
    if misfortune == "lose_request":
        since = "2020-01-01T00:00:00.000000Z"
        statement = "UPDATE checkouts SET context = context || jsonb_build_object('unknown_since', %s::text)"
        await shop.sql(statement + " WHERE order_id = %s", since, order["order_id"])
    metadata = {"payment_id": order["payment_id"]}
    kind = "payment_intent.amount_capturable_updated"
    await asyncio.gather(
        *(stripe_says(shop, kind, "pi_x", metadata=metadata) for _ in range(2)),
        *(shop.recover(order["order_id"]) for _ in range(3)),
    )
    await shop.operate()
    assert await shop.status(order["order_id"]) == "confirmed"
    (intent,) = local_stripe.intents(order["payment_id"])
    assert (intent["status"], intent["amount"]) == ("succeeded", 2000)
    assert await strays(shop, order["payment_id"]) == []
    assert [fact["data"]["status"] for fact in await shop.facts(order["payment_id"])] == ["authorized", "captured"]


async def test_localstripes_own_webhook_of_a_capture_is_verified_and_changes_nothing(
    stripe_shop, local_stripe, create_product
):
    shop = stripe_shop
    received = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: request.headers[name] for name in ("Stripe-Signature", "Content-Type")}
        await received.put((await shop.client.post(STRIPE, content=body, headers=headers), json.loads(body)))
        return web.Response()

    application = web.Application()
    application.router.add_post("/", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as http:
            target = {"url": f"http://127.0.0.1:{port}/", "secret": SECRET}
            async with http.post(f"{local_stripe.url}/_config/webhooks/shop", json=target) as answer:
                assert answer.status == 200
        order = await ordered(shop, create_product, "pm_card_visa")
        await shop.operate()
        while True:
            answer, told = await asyncio.wait_for(received.get(), 10)
            if told["data"]["object"]["metadata"].get("payment_id") == order["payment_id"]:
                break
    finally:
        await runner.cleanup()
    assert told["type"] == "payment_intent.succeeded"
    assert (answer.status_code, answer.json()) == (200, {"received": True, "payment_status": "captured"})
    assert await strays(shop, order["payment_id"]) == []


async def test_a_dispute_at_stripe_is_a_charge_back_once(stripe_shop, local_stripe, create_product):
    shop = stripe_shop
    order = await ordered(shop, create_product, "pm_card_visa")
    await shop.operate()
    (intent,) = local_stripe.intents(order["payment_id"])
    dispute = "charge.dispute.funds_withdrawn"
    answers = await asyncio.gather(*(stripe_says(shop, dispute, "dp_1", payment_intent=intent["id"]) for _ in range(3)))
    assert [answer.json()["payment_status"] for answer in answers] == ["charged_back"] * 3
    opened = await stripe_says(shop, "charge.dispute.created", "dp_1", payment_intent=intent["id"])
    assert opened.json() == {"received": True, "payment_status": None}
    told = [fact["data"]["status"] for fact in await shop.facts(order["payment_id"])]
    assert told == ["authorized", "captured", "charged_back"]
    assert (await ledger.check(shop.core)).is_right


async def test_news_that_is_no_concern_of_ours_is_received_and_ignored(stripe_shop):
    for kind, metadata in (
        ("customer.created", {}),
        ("payment_intent.succeeded", {}),
        ("payment_intent.succeeded", {"payment_id": "of another shop"}),
    ):
        answer = await stripe_says(stripe_shop, kind, "pi_other", metadata=metadata)
        assert (answer.status_code, answer.json()) == (200, {"received": True, "payment_status": None})
    strange = await post(stripe_shop, STRIPE, {"type": "payment_intent.succeeded"}, SECRET)
    assert (strange.status_code, strange.json()["code"]) == (422, "invalid_request")


async def test_a_success_that_comes_after_the_payment_failed_is_voided_once(stripe_shop, local_stripe, create_product):
    shop = stripe_shop
    order = await ordered(shop, create_product, "pm_card_visa")
    # As after an operator's decision that this payment failed, while Stripe holds the money.
    await shop.sql("UPDATE payments SET status = 'failed' WHERE id = %s", order["payment_id"])
    metadata = {"payment_id": order["payment_id"]}
    kind = "payment_intent.amount_capturable_updated"
    await asyncio.gather(*(stripe_says(shop, kind, "pi_x", metadata=metadata) for _ in range(3)))
    await asyncio.gather(shop.operate(), shop.operate())
    assert [intent["status"] for intent in local_stripe.intents(order["payment_id"])] == ["canceled"]
    assert await strays(shop, order["payment_id"]) == [("stripe", "done", "late_success")]


async def test_a_gateway_that_regrets_its_refusal_finds_its_charge_voided(shop, create_product):
    order = await ordered(shop, create_product, "tok_refuse_sandbox_x")
    try:
        assert order["status"] == "confirmed"  # at the backup
        statement = (
            "UPDATE sandbox_gateway.charges SET status = 'authorized', reason = NULL"
            " WHERE gateway = 'sandbox' AND idempotency_key = %s"
        )
        await shop.sql(statement, order["payment_id"])
        for _ in range(2):
            assert (await sandbox_says(shop, order["payment_id"])).status_code == 200
        assert (await sandbox_says(shop, order["payment_id"], gateway="sandbox-backup")).status_code == 200
        await shop.operate()
        books = "SELECT gateway, status FROM sandbox_gateway.charges WHERE idempotency_key = %s ORDER BY gateway"
        assert await shop.sql(books, order["payment_id"]) == [("sandbox", "voided"), ("sandbox-backup", "captured")]
        assert (await shop.payment(order["order_id"]))["status"] == "captured"
        assert [gateway for gateway, _, _ in await strays(shop, order["payment_id"])] == ["sandbox"]
    finally:
        await shop.sql("DELETE FROM payment_attempts")


async def test_late_news_of_a_payment_that_was_voided_finds_nothing_to_do(shop, create_product, internal):
    shop.judge("review")
    order = await ordered(shop, create_product, "tok_visa")
    await shop.client.put(f"/api/v1/orders/{order['order_id']}/cancel", headers=internal)
    await shop.operate()
    assert (await sandbox_says(shop, order["payment_id"])).json()["payment_status"] == "voided"
    await shop.operate()
    assert [row[0] for row in await shop.charges(order["order_id"])] == ["voided"]
    assert await strays(shop, order["payment_id"]) == [("sandbox", "done", "late_success")]


async def test_webhooks_while_the_client_waits_change_nothing(shop, create_product):
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(SandboxGateway):
        async def authorize(self, request):
            charge = await super().authorize(request)
            begun.set()
            await go_on.wait()
            return charge

    shop.use_gateway(Slow(shop.core.db))
    product = await create_product(price="10.00", stock={"main": 9})
    session = f"session-{new_id()}"
    client = asyncio.create_task(shop.order({"X-Session-Id": session}, product, 2))
    await begun.wait()
    ((payment_id,),) = await shop.sql(
        "SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.session = %s", session
    )
    early = await asyncio.gather(*(sandbox_says(shop, payment_id) for _ in range(3)))
    assert [answer.json()["payment_status"] for answer in early] == ["pending"] * 3
    go_on.set()
    _, *late = await asyncio.gather(client, *(sandbox_says(shop, payment_id) for _ in range(3)))
    assert all(answer.status_code == 200 for answer in late)
    order = (await client).json()
    await shop.operate()
    assert (order["status"], await shop.available(product)) == ("confirmed", 7)
    assert await shop.charges(order["order_id"]) == [("captured", Decimal(20), Decimal(20), 0, 1)]
    assert [fact["sequence"] for fact in await shop.facts(order["order_id"])] == [1, 2]
    assert await strays(shop, str(payment_id)) == []


async def test_a_gateway_may_tell_much_at_a_time(shop, create_product):
    order = await ordered(shop, create_product, "tok_visa")
    answers = [
        await sandbox_says(shop, order["payment_id"]) for _ in range(shop.core.settings.rate_limit_per_minute + 10)
    ]
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(("status", "left"), [(200, 0), (409, 0), (429, 2), (503, 2)])
async def test_the_sandbox_keeps_what_the_shop_did_not_take(shop, create_product, status, left):
    order = await ordered(shop, create_product, "tok_twice_x")
    mine = f"%{order['payment_id']}%"
    await shop.sql("UPDATE sandbox_gateway.webhooks SET send_at = now() + interval '1 h' WHERE body NOT LIKE %s", mine)
    await shop.sql("UPDATE sandbox_gateway.webhooks SET send_at = now() WHERE body LIKE %s", mine)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    application = web.Application()
    application.router.add_post("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http:
            assert await deliver_webhooks(shop.core.db, http, f"http://127.0.0.1:{runner.addresses[0][1]}/") == 2
    finally:
        await runner.cleanup()
    ((kept,),) = await shop.sql("SELECT count(*) FROM sandbox_gateway.webhooks WHERE body LIKE %s", mine)
    assert kept == left
    await shop.sql("DELETE FROM sandbox_gateway.webhooks WHERE body LIKE %s", mine)
