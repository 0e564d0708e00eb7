"""The Stripe gateway against a real localstripe server: what is charged, declined, lost, looked up and given back."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from lakefront.ids import new_id
from lakefront.runtime.ports import any_free
from transactional.payments.gateways.interface import Authorization, GatewayUnavailable, Movement, OutcomeUnknown
from transactional.payments.gateways.stripe.amounts import AmountNotTaken, to_units
from transactional.payments.gateways.stripe.gateway import StripeGateway


def authorization(token: str = "pm_card_visa", amount: str = "25.50", currency: str = "USD") -> Authorization:
    key = str(new_id())
    return Authorization(key, key, token, Decimal(amount), currency)


def key() -> str:
    return str(new_id())


async def test_an_authorization_holds_the_amount_and_captures_nothing(local_stripe, stripe_gateway):
    request = authorization()
    charge = await stripe_gateway.authorize(request)
    assert charge.status == "authorized"
    (intent,) = local_stripe.intents(request.merchant_reference)
    assert (intent["id"], intent["amount"], intent["currency"]) == (charge.reference, 2550, "usd")
    assert (intent["status"], intent["capture_method"]) == ("requires_capture", "manual")


async def test_the_same_key_at_once_and_again_is_one_charge(local_stripe, stripe_gateway):
    request = authorization()
    first = await stripe_gateway.authorize(request)
    again = await asyncio.gather(*(stripe_gateway.authorize(request) for _ in range(3)))
    assert {charge.reference for charge in again} == {first.reference}
    assert len(local_stripe.intents(request.merchant_reference)) == 1
    assert local_stripe.sent(request.key) == 4


async def test_a_declined_card_is_declined_and_found_as_declined(stripe_gateway):
    request = authorization("pm_card_chargeCustomerFail")
    charge = await stripe_gateway.authorize(request)
    assert (charge.status, charge.reason) == ("declined", "card_declined")
    found = await stripe_gateway.find(request.key)
    assert (found.status, found.reason) == ("declined", "card_declined")


async def test_a_card_that_asks_for_authentication_is_declined_and_left_cancelled(local_stripe, stripe_gateway):
    request = authorization(local_stripe.card("4000002500003155"))
    charge = await stripe_gateway.authorize(request)
    assert (charge.status, charge.reason) == ("declined", "authentication_required")
    assert [intent["status"] for intent in local_stripe.intents(request.key)] == ["canceled"]


async def test_an_unknown_token_is_declined(stripe_gateway):
    charge = await stripe_gateway.authorize(authorization("pm_nobody_has_this"))
    assert (charge.status, charge.reason) == ("declined", "unknown_payment_method")


async def test_a_lost_answer_is_unknown_and_the_look_up_finds_the_charge(local_stripe, stripe_gateway):
    request = authorization()
    local_stripe.suffer("lose_answer")
    with pytest.raises(OutcomeUnknown):
        await stripe_gateway.authorize(request)
    found = await stripe_gateway.find(request.key)
    assert found.status == "authorized"
    assert [intent["id"] for intent in local_stripe.intents(request.key)] == [found.reference]


async def test_a_lost_request_is_unknown_not_found_and_sent_again_under_its_key(local_stripe, stripe_gateway):
    request = authorization()
    local_stripe.suffer("lose_request")
    with pytest.raises(OutcomeUnknown):
        await stripe_gateway.authorize(request)
    assert await stripe_gateway.find(request.key) is None
    assert (await stripe_gateway.authorize(request)).status == "authorized"
    assert len(local_stripe.intents(request.key)) == 1


async def test_a_failure_of_stripe_is_an_unknown_outcome(local_stripe, stripe_gateway):
    local_stripe.suffer("fail")
    with pytest.raises(OutcomeUnknown):
        await stripe_gateway.authorize(authorization())


async def test_a_stripe_that_cannot_be_reached_was_never_asked():
    gateway = StripeGateway("sk_test_lakefront", f"http://127.0.0.1:{any_free()}")
    with pytest.raises(GatewayUnavailable):
        await gateway.authorize(authorization())
    await gateway.close()


async def test_a_wrong_api_key_was_never_carried_out(local_stripe):
    gateway = StripeGateway("pk_wrong", local_stripe.url)
    with pytest.raises(GatewayUnavailable):
        await gateway.authorize(authorization())
    await gateway.close()


async def test_a_look_up_reads_all_pages(local_stripe, stripe_gateway, monkeypatch):
    monkeypatch.setattr("transactional.payments.gateways.stripe.gateway.PAGE", 2)
    requests = [authorization() for _ in range(5)]
    charges = [await stripe_gateway.authorize(request) for request in requests]
    assert [(await stripe_gateway.find(request.key)).reference for request in requests] == [
        charge.reference for charge in charges
    ]


async def test_a_capture_is_carried_out_once(local_stripe, stripe_gateway):
    request = authorization()
    charge = await stripe_gateway.authorize(request)
    capture = key()
    local_stripe.suffer("lose_answer")
    with pytest.raises(OutcomeUnknown):
        await stripe_gateway.capture(capture, charge.reference, Decimal("25.50"))
    for _ in range(2):
        assert await stripe_gateway.capture(capture, charge.reference, Decimal("25.50")) == Movement(True)
    (intent,) = local_stripe.intents(request.key)
    assert intent["status"] == "succeeded"
    assert await stripe_gateway.void(key(), charge.reference) == Movement(False, "charge_is_succeeded")


async def test_a_void_is_carried_out_once_and_ends_the_charge(local_stripe, stripe_gateway):
    request = authorization()
    charge = await stripe_gateway.authorize(request)
    for _ in range(2):
        assert await stripe_gateway.void(key(), charge.reference) == Movement(True)
    assert [intent["status"] for intent in local_stripe.intents(request.key)] == ["canceled"]
    refused = await stripe_gateway.capture(key(), charge.reference, Decimal("25.50"))
    assert refused == Movement(False, "charge_is_canceled")


async def test_a_refund_whose_answer_was_lost_is_paid_out_once(local_stripe, stripe_gateway):
    charge = await stripe_gateway.authorize(authorization())
    await stripe_gateway.capture(key(), charge.reference, Decimal("25.50"))
    refund, other = key(), key()
    for each, amount in ((refund, "10.00"), (refund, "10.00"), (other, "5.50")):
        assert await stripe_gateway.refund(each, charge.reference, Decimal(amount)) == Movement(True)
    refunds = local_stripe.get("/v1/refunds", payment_intent=charge.reference)["data"]
    assert sorted(found["amount"] for found in refunds) == [550, 1000]
    assert local_stripe.sent(refund) == 1  # the second time it was found by its key, and not even sent


async def test_a_movement_of_a_charge_that_is_not_there_is_refused(stripe_gateway):
    for movement in (
        await stripe_gateway.capture(key(), "pi_none", Decimal(1)),
        await stripe_gateway.void(key(), "pi_none"),
        await stripe_gateway.refund(key(), "pi_none", Decimal(1)),
    ):
        assert not movement.accepted


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [("25.50", "USD", 2550), ("300", "JPY", 300), ("5", "ISK", 500), ("1.230", "KWD", 1230)],
)
def test_amounts_are_counted_as_stripe_counts_them(amount, currency, units):
    assert to_units(Decimal(amount), currency) == units


@pytest.mark.parametrize(("amount", "currency"), [("1.005", "USD"), ("1.234", "KWD"), ("0.5", "JPY")])
def test_amounts_that_stripe_would_round_are_not_sent(amount, currency):
    with pytest.raises(AmountNotTaken):
        to_units(Decimal(amount), currency)


async def test_an_amount_that_stripe_does_not_take_is_refused_without_asking(local_stripe, stripe_gateway):
    request = authorization(amount="1.234", currency="KWD")
    assert (await stripe_gateway.authorize(request)).status == "refused"
    assert local_stripe.sent(request.key) == 0
