"""Movements at the sandbox gateway that are asked for at once: each decided once, on what the one before it left."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from lakefront.ids import new_id
from transactional.payments.gateways.interface import Authorization, Movement
from transactional.payments.gateways.sandbox.gateway import SandboxGateway

DONE = Movement(True, None)


@pytest.fixture
def gateway(shop) -> SandboxGateway:
    return SandboxGateway(shop.core.db)


async def authorized(gateway: SandboxGateway, amount: str = "10.00") -> str:
    key = str(new_id())
    return (await gateway.authorize(Authorization(key, key, "tok_visa", Decimal(amount), "USD"))).reference


def key() -> str:
    return str(new_id())


async def test_many_captures_at_once_are_decided_each_for_itself(gateway, shop):
    references = [await authorized(gateway) for _ in range(12)]
    asked = [gateway.capture(key(), reference, Decimal(10 + number % 2)) for number, reference in enumerate(references)]
    answers = await asyncio.gather(*asked, gateway.capture(key(), "ch_of_nobody", Decimal(1)))
    assert answers == [DONE, Movement(False, "charge_is_authorized")] * 6 + [Movement(False, "unknown_charge")]
    captured = await shop.sql(
        "SELECT status, captured FROM sandbox_gateway.charges WHERE reference = ANY(%s) ORDER BY reference", references
    )
    assert captured == [("captured", Decimal(10)), ("authorized", Decimal(0))] * 6


async def test_one_key_asked_for_many_times_at_once_moves_money_once(gateway, shop):
    reference, same = await authorized(gateway), key()
    answers = await asyncio.gather(*(gateway.capture(same, reference, Decimal(10)) for _ in range(5)))
    assert answers == [DONE] * 5
    assert await gateway.capture(same, reference, Decimal(10)) == DONE
    assert await shop.sql("SELECT captured FROM sandbox_gateway.charges WHERE reference = %s", reference) == [(10,)]


async def test_movements_of_one_charge_see_each_other(gateway):
    reference = await authorized(gateway)
    answers = await asyncio.gather(
        gateway.capture(key(), reference, Decimal(10)),
        gateway.refund(key(), reference, Decimal(6)),
        gateway.refund(key(), reference, Decimal(6)),
        gateway.void(key(), reference),
    )
    assert answers == [DONE, DONE, Movement(False, "charge_is_captured"), Movement(False, "charge_is_captured")]


async def test_who_asked_hears_of_the_failure_and_the_next_is_decided(gateway, monkeypatch):
    reference = await authorized(gateway)

    async def broken(_):
        raise ConnectionError("the books are away")

    with monkeypatch.context() as patch:
        patch.setattr(gateway._movements, "_decided", broken)
        with pytest.raises(ConnectionError):
            await gateway.capture(key(), reference, Decimal(10))
    assert await gateway.capture(key(), reference, Decimal(10)) == DONE
