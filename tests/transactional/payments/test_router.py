"""Which gateways a process uses, and how what it knows of them is kept fresh."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
import pytest_asyncio
from pydantic import SecretStr

from lakefront.ids import new_id
from transactional.payments import router
from transactional.payments.gateways.interface import GatewayUnavailable
from transactional.payments.gateways.registry import close_gateways, gateway_of, gateways_of
from transactional.platform.database import Database


@pytest_asyncio.fixture
async def core_with(shop, database_url):
    """``await core_with(payment_gateways=…)``: a core with other settings and connections of its own."""
    opened = []

    async def make(**changed):
        db = await Database.open(database_url, 1)
        chosen = shop.core.settings.model_copy(update=changed)
        opened.append(dataclasses.replace(shop.core, db=db, settings=chosen))
        return opened[-1]

    yield make
    for core in opened:
        await close_gateways(core)
        await core.db.close()


def context(country: str = "US", token: str = "tok_visa", total: str = "10.00", currency: str = "USD") -> dict:
    return {
        "method": token,
        "total": total,
        "currency": currency,
        "shipping_country": country,
        "network_country": None,
    }


async def test_without_a_key_of_stripes_the_sandboxes_are_in_use(core_with):
    core = await core_with()
    assert list(gateways_of(core)) == ["sandbox", "sandbox-backup"]
    assert (await router.choose(core, context(), 0.1))["gateway"] == "sandbox"


async def test_with_a_key_stripe_takes_their_place_so_that_nothing_is_paid_by_pretence(core_with):
    core = await core_with(stripe_secret_key=SecretStr("sk_test_1"))
    assert list(gateways_of(core)) == ["stripe"]
    assert (await router.choose(core, context(token="tok_visa"), 0.1))["gateway"] == ""
    chosen = await router.choose(core, context(token="pm_card_visa"), 0.1)
    assert chosen == {"gateway": "stripe", "backups": [], "payment_region": "US", "paid_by": "card"}


async def test_gateways_can_be_named(core_with):
    core = await core_with(stripe_secret_key=SecretStr("sk_test_1"), payment_gateways="sandbox, stripe")
    assert list(gateways_of(core)) == ["sandbox", "stripe"]
    for wrong in ("stripe", "paypal"):
        with pytest.raises(ValueError, match=r"STRIPE_SECRET_KEY|no payment gateway paypal"):
            gateways_of(await core_with(payment_gateways=wrong))


async def test_a_gateway_that_is_not_in_use_any_more_was_never_asked(core_with):
    with pytest.raises(GatewayUnavailable, match="stripe is not in use"):
        gateway_of(await core_with(), "stripe")


async def test_the_rules_of_stripe_follow_method_country_amount_and_currency(core_with):
    core = await core_with(stripe_secret_key=SecretStr("sk_test_1"))

    async def takes(**payment) -> bool:
        return (await router.choose(core, context(**payment), 0.0))["gateway"] == "stripe"

    later = {"token": "pm_klarna_1", "currency": "EUR"}
    assert await takes(**later, country="DE", total="4000.00")
    assert not await takes(**later, country="DE", total="4000.01")
    assert not await takes(**later, country="US")
    assert not await takes(token="pm_klarna_1", country="DE", currency="SEK")
    assert await takes(token="pm_card_visa", country="SE", currency="SEK", total="9000.00")
    assert not await takes(token="pm_card_visa", country="KP")
    assert not await takes(token="pm_card_visa", total="0.49")


async def test_rules_that_are_changed_are_in_force_after_the_next_reading_which_no_order_waits_for(shop, core_with):
    core = await core_with()
    assert (await router.choose(core, context(country="AQ"), 0.0))["gateway"] == "sandbox"
    await shop.sql(
        "UPDATE gateway_rules SET excluded_countries = excluded_countries || '{AQ}' WHERE gateway = 'sandbox'"
    )
    try:
        assert (await router.choose(core, context(country="AQ"), 0.0))["gateway"] == "sandbox"
        known = router.router_of(core)
        known._read_at -= router.REFRESH_SECONDS + 1
        assert (await router.choose(core, context(country="AQ"), 0.0))["gateway"] == "sandbox"  # and reads meanwhile
        await asyncio.wait_for(known._reading, 5)
        chosen = await router.choose(core, context(country="AQ"), 0.0)
        assert (chosen["gateway"], chosen["backups"]) == ("sandbox-backup", [])
    finally:
        await shop.sql(
            "UPDATE gateway_rules SET excluded_countries = array_remove(excluded_countries, 'AQ') WHERE gateway = 'sandbox'"
        )


async def test_a_database_that_is_away_leaves_the_rules_as_they_were(core_with):
    core = await core_with()
    await router.choose(core, context(), 0.0)
    await core.db.close()
    known = router.router_of(core)
    known._read_at -= router.REFRESH_SECONDS + 1
    assert (await router.choose(core, context(), 0.0))["gateway"] == "sandbox"
    await asyncio.wait_for(known._reading, 10)
    assert (await router.choose(core, context(), 0.0))["gateway"] == "sandbox"


async def test_a_payment_by_wallet_or_later_is_told_as_such(shop, create_product):
    product = await create_product(stock={"main": 9})
    for token, said, kind, method in (
        ("tok_wallet_1", None, "wallet", "wallet"),
        ("tok_klarna_1", None, "invoice", "buy_now_pay_later"),
        ("tok_visa", None, "card", "card"),
        ("tok_opaque", "wallet", "wallet", "wallet"),
        ("tok_opaque", "buy_now_pay_later", "invoice", "buy_now_pay_later"),
        ("tok_wallet_1", "card", "card", "card"),
    ):
        headers = {"X-Session-Id": f"session-{new_id()}"}
        order = (await shop.order(headers, product, 1, token, payment_method_type=said)).json()
        assert order["status"] == "confirmed"
        assert (await shop.facts(order["order_id"]))[0]["data"]["payment_kind"] == kind
        paid_by = "SELECT context ->> 'paid_by', context ->> 'payment_region' FROM checkouts WHERE order_id = %s"
        assert await shop.sql(paid_by, order["order_id"]) == [(method, "US")]


async def test_a_failed_order_can_be_paid_by_another_method(shop, create_product):
    product = await create_product(stock={"main": 9})
    headers = {"X-Session-Id": f"session-{new_id()}"}
    failed = (await shop.order(headers, product, 1, "tok_decline_x")).json()
    body = {"order_id": failed["order_id"], "payment_method": "tok_opaque", "payment_method_type": "buy_now_pay_later"}
    paid = (await shop.client.post("/api/v1/payments/process", json=body, headers=headers)).json()
    assert (paid["status"], paid["order_id"]) == ("confirmed", failed["order_id"])
    paid_by = "SELECT context ->> 'paid_by', context ->> 'gateway' FROM checkouts WHERE order_id = %s"
    assert await shop.sql(paid_by, paid["order_id"]) == [("buy_now_pay_later", "sandbox")]
    unknown = {**body, "payment_method_type": "barter"}
    answer = await shop.client.post("/api/v1/payments/process", json=unknown, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
