"""Whatever happens on the way to two gateways, an order ends paid once or not at all, and no charge is left over."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lakefront.clock import iso, real_now
from lakefront.ids import new_id
from transactional.orders.checkout import steps
from transactional.orders.checkout.service import recover
from transactional.payments import ledger
from transactional.payments.gateways import protection
from transactional.payments.gateways.interface import Authorization, GatewayUnavailable, OutcomeUnknown
from transactional.payments.gateways.protection import ProtectedGateway
from transactional.payments.gateways.registry import install
from transactional.payments.gateways.sandbox.gateway import SandboxGateway

BACKUP = "sandbox-backup"
FATES = ("works", "away", "lost", "silent", "underway", "refused", "declined", "dies")


class Died(BaseException):
    """The process ends here."""


class Fateful(SandboxGateway):
    """Each authorization meets the next fate; when there is none left, it works."""

    def __init__(self, books, fates: list[str], name: str = "sandbox") -> None:
        super().__init__(books, name=name)
        self.fates = list(fates)
        self.on_its_way: list[Authorization] = []

    async def authorize(self, request):
        fate = self.fates.pop(0) if self.fates else "works"
        match fate:
            case "away":
                raise GatewayUnavailable("connection refused")
            case "lost":
                raise OutcomeUnknown("it never arrived")
            case "underway":
                self.on_its_way.append(request)
                raise OutcomeUnknown("it arrives long after everything else")
            case "silent":
                await super().authorize(request)
                raise OutcomeUnknown("the answer was lost")
            case "dies":
                await super().authorize(request)
                raise Died
            case "refused":
                request = dataclasses.replace(request, token="tok_refuse_every_x")
            case "declined":
                request = dataclasses.replace(request, token="tok_decline_x")
        return await super().authorize(request)

    async def arrive(self) -> None:
        for request in self.on_its_way:
            await super().authorize(request)


@pytest_asyncio.fixture(autouse=True)
async def no_memory_of_other_failures(shop):
    yield
    await shop.sql("DELETE FROM payment_attempts")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(protection, "FIRST_PAUSE_SECONDS", 0.0)


async def live_a_life(shop, create_product, first: list[str], second: list[str]) -> None:
    gateways = [Fateful(shop.core.db, first), Fateful(shop.core.db, second, BACKUP)]
    install(shop.core, {gateway.name: ProtectedGateway(gateway) for gateway in gateways})
    product = await create_product(price="10.00", stock={"main": 5})
    session = f"session-{new_id()}"
    with contextlib.suppress(Died):
        await shop.order({"X-Session-Id": session}, product, 2)
    ((order_id, payment_id),) = await shop.sql(
        "SELECT o.id, p.id FROM orders o JOIN payments p ON p.order_id = o.id WHERE o.session = %s", session
    )
    for _ in range(20):
        if await shop.status(order_id) != "pending":
            break
        await pass_the_deadline(shop, order_id)
    for gateway in gateways:
        await gateway.arrive()
    await shop.sql("UPDATE payment_operations SET due_at = now() WHERE payment_id = %s AND status = 'due'", payment_id)
    await shop.operate()

    books = await shop.sql(
        "SELECT status, captured FROM sandbox_gateway.charges WHERE merchant_reference = %s", str(payment_id)
    )
    alive = [charge for charge in books if charge[0] in ("authorized", "captured")]
    status, payment = await shop.status(order_id), await shop.payment(order_id)
    if status == "confirmed":
        assert alive == [("captured", Decimal(20))]
        assert (payment["status"], payment["captured"]) == ("captured", Decimal(20))
        assert await shop.available(product) == 3
    else:
        assert (status, payment["status"], alive) == ("failed", "failed", [])
        assert await shop.available(product) == 5
    assert (await ledger.check(shop.core)).differences == []
    told = Counter(fact["data"]["status"] for fact in await shop.facts(str(payment_id)))
    assert told == ({"authorized": 1, "captured": 1} if status == "confirmed" else {"failed": 1})


async def pass_the_deadline(shop, order_id) -> None:
    """The lease and the gateway's own deadline are over; two workers see it at once."""
    since = iso(real_now() - steps.GATEWAY_DEADLINE - timedelta(seconds=1))
    await shop.sql(
        "UPDATE checkouts SET lease_until = now() - interval '1 s',"
        " context = context || jsonb_build_object('unknown_since', %s::text) WHERE order_id = %s",
        since,
        order_id,
    )
    results = await asyncio.gather(recover(shop.core), recover(shop.core), return_exceptions=True)
    assert all(isinstance(result, int | Died) for result in results), results


async def test_any_misfortunes_end_in_one_charge_or_none(shop, create_product):
    """One event loop for all examples: hypothesis draws the lives, the loop of the test acts them out."""
    lives: list[tuple[list[str], list[str]]] = []
    fates = st.lists(st.sampled_from(FATES), max_size=5)

    @settings(max_examples=40, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(fates, fates)
    @example(["underway", "underway", "underway"], [])
    @example(["away", "away"], ["silent"])
    @example(["away", "underway", "refused"], ["dies"])
    @example(["lost", "away", "lost", "declined"], [])
    def draw(first, second):
        lives.append((first, second))

    draw()
    for first, second in lives:
        try:
            await live_a_life(shop, create_product, first, second)
        except AssertionError as broken:
            raise AssertionError(f"after {first} at the first gateway and {second} at the second") from broken


async def test_the_pauses_between_tries_grow_and_are_never_twice_the_same(shop, monkeypatch):
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(protection, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(protection.asyncio, "sleep", pause)
    for _ in range(20):
        gateway = ProtectedGateway(Fateful(shop.core.db, ["away"] * 3))
        with pytest.raises(GatewayUnavailable):
            await gateway.authorize(Authorization(str(new_id()), str(new_id()), "tok_visa", Decimal(5), "USD"))
    first, second = pauses[::2], pauses[1::2]
    assert len(first) == len(second) == 20
    assert all(0.025 <= seconds <= 0.075 for seconds in first) and len(set(first)) > 15
    assert all(0.05 <= seconds <= 0.15 for seconds in second) and len(set(second)) > 15
