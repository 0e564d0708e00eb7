"""The payment ledger: every movement of money is posted once, by the transaction that makes it true, and it balances."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakefront.secrets import secrets
from lakefront.webhook_signature import sign
from transactional.payments import ledger
from transactional.payments.gateways.interface import Movement
from transactional.payments.gateways.sandbox.gateway import SandboxGateway

ACCOUNTS = """
SELECT account, sum(amount) FROM payment_ledger_entries WHERE payment_id = %s GROUP BY account HAVING sum(amount) <> 0
"""


def ledger_command() -> subprocess.CompletedProcess[str]:
    """The operators' check, as a process of its own."""
    command = [sys.executable, "-m", "lakefront.cli", "payments", "check"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


async def accounts(shop, payment_id) -> dict[str, Decimal]:
    return dict(await shop.sql(ACCOUNTS, payment_id))


async def is_right(shop) -> bool:
    report = await ledger.check(shop.core)
    assert report.differences == []
    return report.is_right


async def order_of_20(shop, create_product) -> dict:
    product = await create_product(price="10.00", stock={"main": 9})
    headers = {"X-Session-Id": f"session-{product['sku'][-20:]}"}
    return (await shop.order(headers, product, 2)).json()


async def refund(shop, internal, payment_id, amount):
    body = {"payment_id": payment_id, "amount": amount}
    return await shop.client.post("/api/v1/payments/refund", json=body, headers=internal)


async def charge_back(shop, payment_id):
    payload = json.dumps({"type": "charge_back", "merchant_reference": payment_id}).encode()
    headers = {"X-Sandbox-Signature": sign(payload, secrets().webhook_key), "Content-Type": "application/json"}
    return await shop.client.post("/api/v1/payments/webhooks/sandbox", content=payload, headers=headers)


async def test_a_capture_is_posted_once_and_an_authorization_not_at_all(shop, create_product):
    order = await order_of_20(shop, create_product)
    assert await accounts(shop, order["payment_id"]) == {}
    await asyncio.gather(shop.operate(), shop.operate())
    assert await accounts(shop, order["payment_id"]) == {"gateway_clearing": Decimal(20), "revenue": Decimal(-20)}
    assert await is_right(shop)


async def test_a_refund_is_owed_when_granted_and_settled_when_paid_out(shop, create_product, internal):
    payment_id = (await order_of_20(shop, create_product))["payment_id"]
    await shop.operate()
    await refund(shop, internal, payment_id, "5.00")
    assert await accounts(shop, payment_id) == {
        "gateway_clearing": Decimal(20),
        "revenue": Decimal(-20),
        "refunds": Decimal(5),
        "refunds_payable": Decimal(-5),
    }
    assert await is_right(shop)
    await shop.operate()
    assert await accounts(shop, payment_id) == {
        "gateway_clearing": Decimal(15),
        "revenue": Decimal(-20),
        "refunds": Decimal(5),
    }
    assert await is_right(shop)


async def test_a_refund_that_the_gateway_refuses_is_taken_back(shop, create_product, internal):
    class RefusingGateway(SandboxGateway):
        async def refund(self, key, reference, amount):
            return Movement(False, "refund_window_over")

    shop.use_gateway(RefusingGateway(shop.core.db))
    payment_id = (await order_of_20(shop, create_product))["payment_id"]
    await shop.operate()
    await refund(shop, internal, payment_id, "5.00")
    await shop.operate()
    assert await accounts(shop, payment_id) == {"gateway_clearing": Decimal(20), "revenue": Decimal(-20)}
    assert await is_right(shop)


async def test_two_refunds_that_together_exceed_the_capture_post_one(shop, create_product, internal):
    payment_id = (await order_of_20(shop, create_product))["payment_id"]
    await shop.operate()
    answers = await asyncio.gather(*(refund(shop, internal, payment_id, "15.00") for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    await shop.operate()
    assert (await accounts(shop, payment_id))["gateway_clearing"] == Decimal(5)
    assert await is_right(shop)


async def test_a_charge_back_takes_what_was_left_once(shop, create_product, internal):
    payment_id = (await order_of_20(shop, create_product))["payment_id"]
    await shop.operate()
    await refund(shop, internal, payment_id, "5.00")
    await shop.operate()
    await asyncio.gather(*(charge_back(shop, payment_id) for _ in range(3)))
    assert await accounts(shop, payment_id) == {
        "revenue": Decimal(-20),
        "refunds": Decimal(5),
        "charge_backs": Decimal(15),
    }
    assert await is_right(shop)


async def test_nothing_in_the_ledger_can_be_changed_or_deleted(shop, create_product):
    payment_id = (await order_of_20(shop, create_product))["payment_id"]
    await shop.operate()
    for statement in ("UPDATE payment_ledger SET amount = 1 WHERE payment_id = %s",
                      "DELETE FROM payment_ledger WHERE payment_id = %s"):  # fmt: skip
        with pytest.raises(psycopg.errors.RestrictViolation):
            await shop.sql(statement, payment_id)


async def test_a_posting_between_other_accounts_or_of_nothing_is_refused(shop, create_product):
    payment_id = (await order_of_20(shop, create_product))["payment_id"]
    statement = (
        "INSERT INTO payment_ledger (payment_id, kind, debit, credit, amount, currency, gateway, occurred_at)"
        " VALUES (%s, 'capture', %s, %s, %s, 'USD', 'sandbox', now())"
    )
    for debit, credit, amount in (
        ("revenue", "gateway_clearing", 5),
        ("revenue", "revenue", 5),
        ("gateway_clearing", "revenue", 0),
        ("gateway_clearing", "revenue", -5),
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            await shop.sql(statement, payment_id, debit, credit, amount)


async def test_the_check_finds_a_payment_that_was_changed_without_a_posting(shop, create_product):
    payment_id = (await order_of_20(shop, create_product))["payment_id"]
    await shop.operate()
    try:
        await shop.sql("UPDATE payments SET captured = 19 WHERE id = %s", payment_id)
        report = await ledger.check(shop.core)
        assert [(str(row["payment_id"]), row["captured"], row["ledger_captured"]) for row in report.differences] == [
            (payment_id, Decimal(19), Decimal(20))
        ]
        assert not report.is_right
        told = await asyncio.to_thread(ledger_command)
        assert (told.returncode, f"differs: payment_id={payment_id}" in told.stdout) == (1, True)
    finally:
        await shop.sql("UPDATE payments SET captured = 20 WHERE id = %s", payment_id)
    told = await asyncio.to_thread(ledger_command)
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "The ledger balances and says what the payments say.")


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("refund"), st.decimals(min_value="0.01", max_value="21", places=2)),
        st.tuples(st.sampled_from(["operate", "charge_back"]), st.just(Decimal(0))),
    ),
    min_size=1,
    max_size=7,
)


async def test_the_ledger_is_right_after_each_step_of_any_life(shop, create_product, internal):
    """One event loop for all examples: hypothesis draws the lives, the loop of the test acts them out."""
    lives: list[list[tuple[str, Decimal]]] = []

    @settings(max_examples=12, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ACTS)
    def draw(life):
        lives.append(life)

    draw()
    for life in lives:
        payment_id = (await order_of_20(shop, create_product))["payment_id"]
        for act, amount in life:
            if act == "refund":
                await refund(shop, internal, payment_id, str(amount))
            elif act == "operate":
                await shop.operate()
            else:
                await charge_back(shop, payment_id)
            assert await is_right(shop), life
        await shop.operate()
        assert await is_right(shop), life
        held = (await accounts(shop, payment_id)).get("gateway_clearing", Decimal(0))
        ((status, captured, refunded),) = await shop.sql(
            "SELECT p.status, c.captured, c.refunded FROM payments p"
            " JOIN sandbox_gateway.charges c ON c.merchant_reference = p.id::text WHERE p.id = %s",
            payment_id,
        )
        assert held == (Decimal(0) if status == "charged_back" else captured - refunded), life
