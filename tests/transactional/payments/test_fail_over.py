"""From one gateway to the next: only after a definite failure, never after a decline or an unknown outcome, and one
charge in the end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
import pytest_asyncio

from lakefront.clock import iso, real_now
from lakefront.ids import new_id
from transactional.orders.checkout import steps
from transactional.payments.gateways.interface import GatewayUnavailable, OutcomeUnknown
from transactional.payments.gateways.protection import ProtectedGateway
from transactional.payments.gateways.registry import gateways_of, install
from transactional.payments.gateways.sandbox.gateway import SandboxGateway
from transactional.payments.router import router_of

BACKUP = "sandbox-backup"


@pytest_asyncio.fixture(autouse=True)
async def no_memory_of_other_failures(shop):
    """Routing learns from all attempts of this worker's database: what a test teaches it ends with the test."""
    yield
    await shop.sql("DELETE FROM payment_attempts")


class Away(SandboxGateway):
    """Cannot be reached."""

    def __init__(self, books, **options):
        super().__init__(books, **options)
        self.keys: list[str] = []

    async def authorize(self, request):
        self.keys.append(request.key)
        raise GatewayUnavailable("connection refused")


class Silent(SandboxGateway):
    """Never hears of the first requests, whose senders cannot know that."""

    def __init__(self, books, deaf: int, **options):
        super().__init__(books, **options)
        self.deaf = deaf
        self.keys: list[str] = []

    async def authorize(self, request):
        self.keys.append(request.key)
        if len(self.keys) <= self.deaf:
            raise OutcomeUnknown("no answer")
        return await super().authorize(request)


def headers() -> dict[str, str]:
    return {"X-Session-Id": f"session-{new_id()}"}


def use(shop, *gateways) -> None:
    install(shop.core, {gateway.name: ProtectedGateway(gateway) for gateway in gateways})


async def charges(shop, order_id) -> list[tuple]:
    return await shop.sql(
        "SELECT c.gateway, c.status, c.captured FROM sandbox_gateway.charges c"
        " JOIN payments p ON p.id::text = c.merchant_reference WHERE p.order_id = %s ORDER BY c.gateway",
        order_id,
    )


async def attempts(shop, payment_id) -> list[tuple]:
    statement = "SELECT gateway, outcome FROM payment_attempts WHERE payment_id = %s ORDER BY id"
    return await shop.sql(statement, payment_id)


async def deadline_passes(shop, order_id) -> None:
    """The gateway's own deadline is over, as far as this checkout knows."""
    since = iso(real_now() - steps.GATEWAY_DEADLINE - timedelta(seconds=1))
    statement = "UPDATE checkouts SET context = context || jsonb_build_object('unknown_since', %s::text)"
    await shop.sql(statement + " WHERE order_id = %s", since, order_id)
    await shop.recover(order_id)


async def test_a_refusal_by_the_gateway_goes_to_the_backup_and_is_charged_there_once(shop, create_product):
    product = await create_product(price="4.00", stock={"main": 5})
    order = (await shop.order(headers(), product, 2, "tok_refuse_sandbox_x")).json()
    assert order["status"] == "confirmed"
    await shop.operate()
    assert await charges(shop, order["order_id"]) == [
        ("sandbox", "declined", Decimal(0)),
        (BACKUP, "captured", Decimal(8)),
    ]
    assert await attempts(shop, order["payment_id"]) == [("sandbox", "refused")]
    told = [fact["data"] for fact in await shop.facts(order["payment_id"])]
    assert [(fact["status"], fact["gateway"]) for fact in told] == [("authorized", BACKUP), ("captured", BACKUP)]


async def test_a_gateway_that_cannot_be_reached_has_two_tries_and_the_backup_one(shop, create_product):
    product = await create_product(stock={"main": 5})
    away = Away(shop.core.db)
    use(shop, away, SandboxGateway(shop.core.db, name=BACKUP))
    order = (await shop.order(headers(), product)).json()
    assert order["status"] == "confirmed"
    assert away.keys == [order["payment_id"]] * 2
    assert [name for name, _, _ in await charges(shop, order["order_id"])] == [BACKUP]


async def test_when_all_gateways_are_away_three_tries_are_made_and_nothing_is_left(shop, create_product):
    product = await create_product(stock={"main": 5})
    gateways = [Away(shop.core.db), Away(shop.core.db, name=BACKUP)]
    use(shop, *gateways)
    answer = await shop.order(headers(), product)
    assert (answer.status_code, answer.json()["code"]) == (503, "payment_unavailable")
    assert [len(gateway.keys) for gateway in gateways] == [2, 1]
    order_id = answer.json()["order_id"]
    assert await attempts(shop, (await shop.payment(order_id))["id"]) == [("sandbox", "not_sent"), (BACKUP, "not_sent")]
    assert (await shop.status(order_id), await shop.available(product)) == ("failed", 5)


async def test_a_decline_is_the_issuers_and_not_taken_elsewhere(shop, create_product):
    product = await create_product(stock={"main": 5})
    answer = await shop.order(headers(), product, 1, "tok_decline_x")
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_declined")
    assert await charges(shop, answer.json()["order_id"]) == [("sandbox", "declined", Decimal(0))]


async def test_an_unknown_outcome_is_looked_up_and_never_taken_elsewhere(shop, create_product):
    product = await create_product(stock={"main": 5})
    first = ProtectedGateway(SandboxGateway(shop.core.db), call_seconds=0.2)
    backup = ProtectedGateway(SandboxGateway(shop.core.db, name=BACKUP))
    install(shop.core, {"sandbox": first, BACKUP: backup})
    order = (await shop.order(headers(), product, 1, "tok_timeout_x")).json()
    assert order["status"] == "pending"
    await shop.recover(order["order_id"])
    await shop.operate()
    assert await shop.status(order["order_id"]) == "confirmed"
    assert [(name, status) for name, status, _ in await charges(shop, order["order_id"])] == [("sandbox", "captured")]
    assert await attempts(shop, order["payment_id"]) == [("sandbox", "unknown")]


async def test_not_found_stays_unknown_until_the_gateways_deadline_then_the_same_key_goes_there_again(
    shop, create_product
):
    product = await create_product(stock={"main": 5})
    silent = Silent(shop.core.db, deaf=1)
    use(shop, silent, SandboxGateway(shop.core.db, name=BACKUP))
    order = (await shop.order(headers(), product)).json()
    for _ in range(2):
        await shop.recover(order["order_id"])
    assert (await shop.status(order["order_id"]), len(silent.keys)) == ("pending", 1)
    assert await shop.available(product) == 4
    await deadline_passes(shop, order["order_id"])
    assert await shop.status(order["order_id"]) == "confirmed"
    assert silent.keys == [order["payment_id"]] * 2
    assert [name for name, _, _ in await charges(shop, order["order_id"])] == ["sandbox"]


async def test_a_gateway_that_never_knew_the_key_is_given_up_after_three_and_a_late_success_is_voided(
    shop, create_product
):
    product = await create_product(stock={"main": 5})
    silent = Silent(shop.core.db, deaf=3)
    use(shop, silent, SandboxGateway(shop.core.db, name=BACKUP))
    order = (await shop.order(headers(), product)).json()
    for _ in range(3):
        await deadline_passes(shop, order["order_id"])
    assert silent.keys == [order["payment_id"]] * 3
    assert (await shop.status(order["order_id"]), await shop.available(product)) == ("failed", 5)
    assert [name for name, _, _ in await charges(shop, order["order_id"])] == []

    request = steps.Authorization(order["payment_id"], order["payment_id"], "tok_visa", Decimal(10), "USD")
    assert (await silent.authorize(request)).status == "authorized"  # one of the three arrives after all
    await shop.sql("UPDATE payment_operations SET due_at = now() WHERE payment_id = %s", order["payment_id"])
    await shop.operate()
    assert await charges(shop, order["order_id"]) == [("sandbox", "voided", Decimal(0))]
    operations = "SELECT kind, status FROM payment_operations WHERE payment_id = %s"
    assert await shop.sql(operations, order["payment_id"]) == [("void_stray", "done")]


async def test_an_open_circuit_sends_payments_to_the_backup_without_a_try(shop, create_product):
    product = await create_product(stock={"main": 9})
    away = Away(shop.core.db)
    use(shop, away, SandboxGateway(shop.core.db, name=BACKUP))
    for _ in range(4):
        assert (await shop.order(headers(), product)).json()["status"] == "confirmed"
    assert len(away.keys) == 5  # two, two, one: then the circuit is open
    assert gateways_of(shop.core)["sandbox"].breaker.is_open
    assert not gateways_of(shop.core)[BACKUP].breaker.is_open


async def test_a_slow_gateway_fills_its_own_bulkhead_and_not_the_others(shop, create_product):
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Stuck(SandboxGateway):
        async def find(self, key):
            begun.set()
            await go_on.wait()

    stuck = ProtectedGateway(Stuck(shop.core.db), call_seconds=20, calls_at_once=1)
    backup = ProtectedGateway(SandboxGateway(shop.core.db, name=BACKUP), calls_at_once=1)
    waiting = asyncio.create_task(stuck.find("x"))
    await begun.wait()
    with pytest.raises(GatewayUnavailable, match="too many calls"):
        await stuck.find("y")
    assert await backup.find("y") is None
    go_on.set()
    await waiting


async def test_failures_of_a_gateway_change_the_way_of_later_payments(shop, create_product):
    product = await create_product(stock={"main": 99})
    country = {"shipping_address": {"street": "1 Rua", "city": "Recife", "zip": "50000", "country": "BR"}}
    for _ in range(12):
        await shop.order(headers(), product, 1, "tok_refuse_sandbox_x", **country)
    await router_of(shop.core).read(shop.core)
    found = router_of(shop.core).history.outcomes
    assert found["sandbox", "BR", "card"] == (12, 0)
    assert found[BACKUP, "BR", "card"] == (12, 12)
    order = (await shop.order(headers(), product, **country)).json()
    status = await shop.client.get(f"/api/v1/payments/{order['payment_id']}/status", headers=headers())
    assert status.status_code == 404  # another guest's
    assert await charges(shop, order["order_id"]) == [(BACKUP, "authorized", Decimal(0))]


async def test_a_payment_that_no_gateway_takes_ends_although_its_process_died(shop, create_product, monkeypatch):
    class Died(BaseException):
        pass

    async def die(*_, **__):
        raise Died

    product, guest = await create_product(stock={"main": 5}), headers()
    address = {"street": "1 St", "city": "X", "zip": "1", "country": "KP"}
    with monkeypatch.context() as patch:
        patch.setattr(steps, "authorize", die)
        with pytest.raises(Died):
            await shop.order(guest, product, shipping_address=address)
    ((order_id,),) = await shop.sql("SELECT id FROM orders WHERE session = %s", guest["X-Session-Id"])
    await shop.recover(order_id)
    assert (await shop.status(order_id), await shop.available(product)) == ("failed", 5)


async def test_a_country_that_no_gateway_serves_cannot_pay(shop, create_product):
    product = await create_product(stock={"main": 5})
    address = {"street": "1 St", "city": "X", "zip": "1", "country": "KP"}
    answer = await shop.order(headers(), product, shipping_address=address)
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_declined")
    assert await charges(shop, answer.json()["order_id"]) == []
    assert await shop.available(product) == 5
