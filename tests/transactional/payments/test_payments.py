"""Refunds, webhooks and the gateways' misbehaviour."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from lakefront.clock import iso
from lakefront.ids import new_id
from lakefront.secrets import keyed_hash, secrets
from lakefront.webhook_signature import sign
from transactional.payments.gateways.interface import Authorization, GatewayUnavailable, OutcomeUnknown
from transactional.payments.gateways.protection import ProtectedGateway
from transactional.payments.gateways.sandbox.delivery import deliver_webhooks
from transactional.payments.gateways.sandbox.gateway import SandboxGateway


@pytest.fixture
async def paid(shop, create_user, create_product):
    """A captured order of 20.00: its answer."""
    user = await create_user()
    product = await create_product(price="10.00", stock={"main": 50})
    order = (await shop.order({**user.headers, "X-Device-Id": "phone-7"}, product, 2)).json()
    await shop.operate()
    return {**order, "headers": user.headers}


def signed(body: dict) -> tuple[bytes, dict[str, str]]:
    payload = json.dumps(body).encode()
    return payload, {"X-Sandbox-Signature": sign(payload, secrets().webhook_key), "Content-Type": "application/json"}


async def post_webhook(shop, **body):
    payload, headers = signed(body)
    return await shop.client.post("/api/v1/payments/webhooks/sandbox", content=payload, headers=headers)


async def refund(shop, internal, payment_id, amount=None, **headers):
    body = {"payment_id": payment_id} | ({"amount": amount} if amount else {})
    return await shop.client.post("/api/v1/payments/refund", json=body, headers={**internal, **headers})


async def test_a_charge_back_is_told_once_at_its_business_time(shop, paid):
    body = {"type": "charge_back", "merchant_reference": paid["payment_id"], "occurred_at": iso(shop.core.clock.now())}
    answers = await asyncio.gather(*(post_webhook(shop, **body) for _ in range(3)))
    assert [a.status_code for a in answers] == [200] * 3, answers[0].text
    assert (await shop.payment(paid["order_id"]))["status"] == "charged_back"
    told = (await shop.facts(paid["payment_id"]))[2:]
    assert [(f["sequence"], f["data"]["status"]) for f in told] == [(3, "charged_back")]
    assert told[0]["occurred_at"] == body["occurred_at"]
    assert told[0]["data"]["device"] == keyed_hash("device", "phone-7")


async def test_a_charge_back_before_the_capture_drops_the_capture(shop, create_user, create_product):
    user, product = await create_user(), await create_product(stock={"main": 5})
    order = (await shop.order(user.headers, product)).json()
    answer = await post_webhook(shop, type="charge_back", merchant_reference=order["payment_id"])
    assert answer.json() == {"received": True, "payment_status": "charged_back"}
    await shop.operate()
    assert (await shop.payment(order["order_id"]))["status"] == "charged_back"
    assert (await shop.charges(order["order_id"]))[0][0] == "authorized"


async def test_webhooks_that_are_not_the_gateways_are_refused(shop, paid):
    body = {"type": "charge_back", "merchant_reference": paid["payment_id"]}
    payload, headers = signed(body)
    url = "/api/v1/payments/webhooks/sandbox"
    forged = await shop.client.post(url, content=payload + b" ", headers=headers)
    unsigned = await shop.client.post(url, content=payload)
    assert [forged.status_code, unsigned.status_code] == [401, 401]
    unknown = await post_webhook(shop, type="charge_back", merchant_reference=str(new_id()))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "payment_not_found")
    strange = await post_webhook(shop, type="party", merchant_reference=paid["payment_id"])
    assert (strange.status_code, strange.json()["code"]) == (422, "invalid_request")
    assert (await shop.payment(paid["order_id"]))["status"] == "captured"


async def test_refunds_never_exceed_the_capture(shop, paid, internal):
    answers = await asyncio.gather(*(refund(shop, internal, paid["payment_id"], "12.00") for _ in range(4)))
    assert Counter(a.status_code for a in answers) == {202: 1, 409: 3}
    refused = next(a for a in answers if a.status_code == 409).json()
    assert (refused["code"], refused["refundable"]) == ("refund_exceeds_capture", "8.00")
    await shop.operate()
    assert (await refund(shop, internal, paid["payment_id"])).json()["amount"] == "8.00"
    await shop.operate()
    payment = await shop.payment(paid["order_id"])
    assert (payment["status"], payment["refunded"]) == ("refunded", Decimal(20))
    assert (await shop.charges(paid["order_id"]))[0][3] == Decimal(20)
    told = [f["data"] for f in await shop.facts(paid["payment_id"])][2:]
    assert [(d["status"], d["amount"]) for d in told] == [("refunded", "12.00"), ("refunded", "8.00")]


async def test_a_refund_has_no_more_decimals_than_its_currency(shop, paid, internal):
    answer = await refund(shop, internal, paid["payment_id"], "1.005")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "amount: 1.005 has more decimals than USD has, which are 2."


async def test_one_key_is_one_refund(shop, paid, internal):
    one, two = [await refund(shop, internal, paid["payment_id"], "5.00", **{"Idempotency-Key": "r1"}) for _ in range(2)]
    assert one.json()["refund_id"] == two.json()["refund_id"]
    other = await refund(shop, internal, paid["payment_id"], "6.00", **{"Idempotency-Key": "r1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    await shop.operate()
    assert (await shop.charges(paid["order_id"]))[0][3] == Decimal(5)


async def test_a_refund_is_not_for_customers(shop, paid):
    answer = await refund(shop, {}, paid["payment_id"], **paid["headers"])
    assert answer.status_code == 403
    status = await shop.client.get(f"/api/v1/payments/{paid['payment_id']}/status", headers=paid["headers"])
    assert (status.json()["status"], status.json()["captured"]) == ("captured", "20.00")
    assert (await shop.client.get(f"/api/v1/payments/{paid['payment_id']}/status")).status_code == 404


async def test_an_operation_without_an_answer_is_sent_again_under_its_key(shop, create_user, create_product):
    class ForgetfulGateway(SandboxGateway):
        keys: list[str] = []

        async def capture(self, key, reference, amount):
            self.keys.append(key)
            movement = await super().capture(key, reference, amount)
            if len(self.keys) == 1:
                raise OutcomeUnknown("the connection broke")
            return movement

    gateway = ForgetfulGateway(shop.core.db)
    shop.use_gateway(gateway)
    user, product = await create_user(), await create_product(price="7.00", stock={"main": 5})
    order = (await shop.order(user.headers, product)).json()
    await shop.operate()
    assert (await shop.payment(order["order_id"]))["status"] == "authorized"
    await shop.sql("UPDATE payment_operations SET due_at = now() WHERE payment_id = %s", order["payment_id"])
    await shop.operate()
    assert (await shop.payment(order["order_id"]))["status"] == "captured"
    assert len(gateway.keys) == 2 and len(set(gateway.keys)) == 1
    assert (await shop.charges(order["order_id"]))[0][2] == Decimal(7)


async def test_a_gateway_that_answers_twice_charges_once(shop, create_user, create_product):
    user, product = await create_user(), await create_product(stock={"main": 5})
    order = (await shop.order(user.headers, product, 1, "tok_twice_x")).json()
    assert order["status"] == "confirmed"
    received = []

    async def take(request: web.Request) -> web.Response:
        answer = await shop.client.post(
            "/api/v1/payments/webhooks/sandbox", content=await request.read(), headers=dict(request.headers)
        )
        received.append((await request.json(), answer.status_code))
        return web.Response(status=answer.status_code)

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    await shop.sql("UPDATE sandbox_gateway.webhooks SET send_at = now() WHERE body LIKE %s", f"%{order['payment_id']}%")
    async with aiohttp.ClientSession() as http:
        while await deliver_webhooks(shop.core.db, http, f"http://127.0.0.1:{port}/hook"):
            pass
    await runner.cleanup()
    mine = [status for body, status in received if body["merchant_reference"] == order["payment_id"]]
    assert mine == [200, 200]
    assert (await shop.charges(order["order_id"]))[0][4] == 1
    assert [f["sequence"] for f in await shop.facts(order["payment_id"])] == [1]


def authorization() -> Authorization:
    return Authorization(str(new_id()), str(new_id()), "tok_visa", Decimal(5), "USD")


async def test_the_breaker_stops_calls_after_five_failures(shop):
    calls = []

    class BrokenGateway(SandboxGateway):
        async def authorize(self, request):
            calls.append(request)
            raise OutcomeUnknown("no answer")

    gateway = ProtectedGateway(BrokenGateway(shop.core.db))
    for _ in range(5):
        with pytest.raises(OutcomeUnknown):
            await gateway.authorize(authorization())
    with pytest.raises(GatewayUnavailable):
        await gateway.authorize(authorization())
    assert len(calls) == 5


async def test_the_bulkhead_turns_calls_away_when_it_is_full(shop):
    release = asyncio.Event()

    class StuckGateway(SandboxGateway):
        async def find(self, key):
            await release.wait()

    gateway = ProtectedGateway(StuckGateway(shop.core.db), call_seconds=20, calls_at_once=2)
    stuck = [asyncio.create_task(gateway.find("x")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(GatewayUnavailable, match="too many calls"):
        await gateway.find("y")
    release.set()
    assert await asyncio.gather(*stuck) == [None, None]


async def test_the_sandbox_books_one_charge_for_one_key(shop):
    gateway, request = SandboxGateway(shop.core.db), authorization()
    charges = await asyncio.gather(*(gateway.authorize(request) for _ in range(4)))
    assert len({c.reference for c in charges}) == 1
    captures = await asyncio.gather(
        *(gateway.capture("c1" + request.key, charges[0].reference, Decimal(5)) for _ in range(3))
    )
    assert all(m.accepted for m in captures)
    other = await gateway.capture("c2" + request.key, charges[0].reference, Decimal(5))
    assert (other.accepted, other.reason) == (False, "charge_is_captured")
    much = await gateway.refund("r" + request.key, charges[0].reference, Decimal(6))
    assert not much.accepted
