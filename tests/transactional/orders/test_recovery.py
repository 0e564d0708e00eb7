"""A checkout that loses its process, its gateway's answer or its stock still ends, once, and with nothing left over."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from lakefront.ids import new_id
from transactional.inventory import service as inventory
from transactional.orders.checkout import steps
from transactional.orders.checkout.service import recover
from transactional.payments.gateways.interface import GatewayUnavailable
from transactional.payments.gateways.protection import ProtectedGateway
from transactional.payments.gateways.registry import install
from transactional.payments.gateways.sandbox.gateway import SandboxGateway


class Died(BaseException):
    """The process ends here: nothing after it is carried out, no compensation either."""


class DyingGateway(SandboxGateway):
    """Ends the process before or after the gateway has taken the charge, once."""

    def __init__(self, books, when: str) -> None:
        super().__init__(books)
        self.when: str | None = when

    async def authorize(self, request):
        when, self.when = self.when, None
        if when == "before":
            raise Died
        charge = await super().authorize(request)
        if when == "after":
            raise Died
        return charge


async def order_that_dies(shop, product) -> str:
    session = f"session-{new_id()}"
    with pytest.raises(Died):
        await shop.order({"X-Session-Id": session}, product, 2)
    ((order_id,),) = await shop.sql("SELECT id FROM orders WHERE session = %s", session)
    assert await shop.status(order_id) == "pending"
    return str(order_id)


async def order_that_dies_before_the_verdict(shop, product, monkeypatch) -> str:
    async def die(*_, **__):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(steps, "assess", die)
        return await order_that_dies(shop, product)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_death_around_the_charge_is_recovered_with_one_charge(shop, create_product, when):
    product = await create_product(price="3.00", stock={"main": 5})
    shop.use_gateway(DyingGateway(shop.core.db, when))
    order_id = await order_that_dies(shop, product)
    assert await recover(shop.core) == 0 or await shop.status(order_id) == "pending"  # its lease still holds
    await shop.recover(order_id)
    await shop.operate()
    assert (await shop.status(order_id), await shop.available(product)) == ("confirmed", 3)
    assert await shop.charges(order_id) == [("captured", Decimal("6.00"), Decimal("6.00"), 0, 1)]
    assert [f["sequence"] for f in await shop.facts(order_id)] == [1, 2]


async def test_death_before_the_verdict_is_recovered(shop, create_product, monkeypatch):
    product = await create_product(stock={"main": 5})
    order_id = await order_that_dies_before_the_verdict(shop, product, monkeypatch)
    await shop.recover(order_id)
    assert (await shop.status(order_id), await shop.available(product)) == ("confirmed", 3)


async def test_death_before_settling_is_recovered(shop, create_product, monkeypatch):
    product = await create_product(stock={"main": 5})

    async def die(*_, **__):
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(steps, "settle", die)
        order_id = await order_that_dies(shop, product)
    await asyncio.gather(*(shop.recover(order_id) for _ in range(3)))
    assert await shop.status(order_id) == "confirmed"
    assert len(await shop.charges(order_id)) == 1
    assert [f["sequence"] for f in await shop.facts(order_id)] == [1, 2]


async def test_the_former_owner_stops_after_a_take_over(shop, create_product):
    product = await create_product(stock={"main": 5})
    begun, go_on = asyncio.Event(), asyncio.Event()

    class SlowGateway(SandboxGateway):
        async def authorize(self, request):
            if not begun.is_set():
                begun.set()
                charge = await super().authorize(request)
                await go_on.wait()
                return charge
            return await super().authorize(request)

    shop.use_gateway(SlowGateway(shop.core.db))
    session = f"session-{new_id()}"
    slow = asyncio.create_task(shop.order({"X-Session-Id": session}, product))
    await begun.wait()
    ((order_id,),) = await shop.sql("SELECT id FROM orders WHERE session = %s", session)
    await shop.recover(str(order_id))
    assert await shop.status(str(order_id)) == "confirmed"
    go_on.set()
    answer = await slow
    assert (answer.status_code, answer.json()["status"]) == (201, "confirmed")
    assert [f["sequence"] for f in await shop.facts(str(order_id))] == [1, 2]
    assert len(await shop.charges(str(order_id))) == 1


async def test_a_timeout_keeps_the_stock_and_ends_in_one_charge(shop, create_product):
    product = await create_product(price="8.00", stock={"main": 5})
    shop.use_gateway(SandboxGateway(shop.core.db), call_seconds=0.2)
    headers = {"X-Session-Id": f"session-{new_id()}"}
    order = (await shop.order(headers, product, 2, "tok_timeout_x")).json()
    assert (order["status"], order["payment_status"]) == ("pending", "pending")
    assert await shop.available(product) == 3
    cancelled = await shop.client.put(f"/api/v1/orders/{order['order_id']}/cancel", headers=headers)
    assert (cancelled.status_code, cancelled.json()["code"]) == (409, "checkout_in_progress")
    await shop.recover(order["order_id"])
    await shop.operate()
    assert await shop.status(order["order_id"]) == "confirmed"
    assert await shop.charges(order["order_id"]) == [("captured", Decimal(16), Decimal(16), 0, 1)]


async def test_a_late_answer_is_waited_for(shop, create_product):
    product = await create_product(stock={"main": 5})
    shop.use_gateway(SandboxGateway(shop.core.db, late_seconds=0.4))
    order = (await shop.order({"X-Session-Id": f"session-{new_id()}"}, product, 1, "tok_late_x")).json()
    assert order["status"] == "pending"
    await shop.recover(order["order_id"])
    assert await shop.status(order["order_id"]) == "pending"
    await asyncio.sleep(0.5)
    await shop.recover(order["order_id"])
    assert await shop.status(order["order_id"]) == "confirmed"
    assert len(await shop.charges(order["order_id"])) == 1


async def test_a_gateway_that_refuses_calls_leaves_nothing_behind(shop, create_product):
    product = await create_product(stock={"main": 5})
    tries = []

    class AwayGateway(SandboxGateway):
        async def authorize(self, request):
            tries.append(request.key)
            raise GatewayUnavailable("connection refused")

    shop.use_gateway(AwayGateway(shop.core.db))
    answer = await shop.order({"X-Session-Id": f"session-{new_id()}"}, product)
    assert (answer.status_code, answer.json()["code"]) == (503, "payment_unavailable")
    assert len(tries) == 3 and len(set(tries)) == 1
    assert (await shop.status(answer.json()["order_id"]), await shop.available(product)) == ("failed", 5)


async def test_money_that_came_after_the_stock_was_gone_is_given_back(shop, create_product):
    product = await create_product(stock={"main": 5})

    class ReleasingGateway(SandboxGateway):
        async def authorize(self, request):
            charge = await super().authorize(request)
            rows = await shop.sql(
                "SELECT r.id FROM reservations r JOIN payments p ON p.order_id = r.order_id WHERE p.id = %s::uuid",
                request.key,
            )
            async with shop.core.db.transaction() as connection:
                await inventory.release(connection, [row[0] for row in rows], shop.core.clock.now())
            return charge

    shop.use_gateway(ReleasingGateway(shop.core.db))
    answer = await shop.order({"X-Session-Id": f"session-{new_id()}"}, product)
    assert (answer.status_code, answer.json()["code"]) == (409, "out_of_stock")
    ((order_id,),) = await shop.sql("SELECT order_id FROM order_lines WHERE sku = %s", product["sku"])
    await shop.operate()
    assert (await shop.status(order_id), (await shop.payment(order_id))["status"]) == ("failed", "voided")
    assert (await shop.charges(order_id))[0][0] == "voided"
    assert await shop.available(product) == await shop.ledger(product) == 5


@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["voided"])])
async def test_a_successor_who_is_told_to_decline_gives_back_what_was_authorized(shop, create_product, when, left):
    """The verdict of the first owner was lost with its process; another one holds now."""
    product = await create_product(price="3.00", stock={"main": 5})
    shop.use_gateway(DyingGateway(shop.core.db, when))
    order_id = await order_that_dies(shop, product)
    shop.judge("decline")
    await shop.recover(order_id)
    await shop.operate()
    assert (await shop.status(order_id), await shop.available(product)) == ("failed", 5)
    assert [charge[0] for charge in await shop.charges(order_id)] == left
    ((outcome,),) = await shop.sql("SELECT outcome FROM checkouts WHERE order_id = %s", order_id)
    assert outcome == "declined"


async def test_a_successor_asks_the_gateway_that_may_have_charged(shop, create_product, monkeypatch):
    """The rules may put another gateway first by then; asking it would charge twice."""
    product = await create_product(price="3.00", stock={"main": 5})
    shop.use_gateway(DyingGateway(shop.core.db, "after"))
    order_id = await order_that_dies(shop, product)

    async def other_way(*_):
        return {"gateway": "another", "backups": ["sandbox"], "payment_region": "us", "paid_by": "card"}

    monkeypatch.setattr(steps, "choose", other_way)
    await shop.recover(order_id)
    await shop.operate()
    assert await shop.status(order_id) == "confirmed"
    assert await shop.charges(order_id) == [("captured", Decimal("6.00"), Decimal("6.00"), 0, 1)]


async def test_the_verdict_of_an_order_is_told_once(shop, create_product):
    product = await create_product(stock={"main": 5})
    shop.use_gateway(DyingGateway(shop.core.db, "after"))
    order_id = await order_that_dies(shop, product)
    await shop.recover(order_id)
    told = await shop.sql(
        "SELECT count(*) FROM outbox WHERE envelope::jsonb ->> 'event_type' = 'decisions.fraud.assessed.v1'"
        " AND envelope::jsonb -> 'data' ->> 'order_id' = %s",
        order_id,
    )
    assert told == [(1,)]


async def test_a_death_before_any_gateway_was_asked_is_recovered_at_whatever_gateway_is_in_use(
    shop, create_product, monkeypatch
):
    product = await create_product(price="3.00", stock={"main": 5})
    install(shop.core, {"sandbox-backup": ProtectedGateway(SandboxGateway(shop.core.db, name="sandbox-backup"))})

    order_id = await order_that_dies_before_the_verdict(shop, product, monkeypatch)
    await shop.recover(order_id)
    await shop.operate()
    assert await shop.status(order_id) == "confirmed"
    assert await shop.charges(order_id) == [("captured", Decimal("6.00"), Decimal("6.00"), 0, 1)]


async def test_the_first_commit_names_the_gateway_so_that_no_second_one_has_to(shop, create_product):
    install(shop.core, {"sandbox-backup": ProtectedGateway(SandboxGateway(shop.core.db, name="sandbox-backup"))})
    order = await shop.order({"X-Session-Id": f"session-{new_id()}"}, await create_product(stock={"main": 5}))
    order_id = order.json()["order_id"]
    ((gateway,),) = await shop.sql("SELECT gateway FROM payments WHERE order_id = %s", order_id)
    assert (order.status_code, gateway) == (201, "sandbox-backup")
