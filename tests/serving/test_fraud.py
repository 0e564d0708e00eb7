"""Fraud: three layers, their fallbacks, reasons, and what the decision was made from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from features.definitions import FAILED, FRAUD_FEATURES, ORDERS, PARTY_RECENT, PARTY_RISK, Item, columns_of
from lakefront.artefacts import ModelStore
from serving.decisions import FraudInput


@pytest.fixture
def order(now):
    return FraudInput(
        order_id=str(uuid4()), user=str(uuid4()), device=uuid4().hex, card=uuid4().hex, address=uuid4().hex,
        total=25.0, currency="USD", units=2, lines=1, account_age_days=90.0, email_domain="mail.example",
        shipping_country="US", network_country="US", payment_kind="card", now=now,
    )  # fmt: skip


@pytest.fixture
def fail_payments(write_features, now):
    """``fail_payments(entity, party, count)``: so many failed within the last minutes."""

    def write(entity, party, count, age=timedelta(minutes=5)):
        items = [Item(f"{party}-{number}", (now - age).timestamp() - number) for number in range(count)]
        write_features(PARTY_RECENT[entity], party, columns_of([], ORDERS) | columns_of(items[::-1], FAILED))

    return write


async def test_an_ordinary_order_is_allowed_without_reasons(decisions, order):
    verdict = await decisions.assess_fraud(order)
    assert (verdict.action, verdict.reasons, verdict.fallback) == ("allow", [], None)
    assert verdict.model is not None and verdict.model < 0.2
    assert verdict.external == 0.05
    assert verdict.composite == pytest.approx(0.3 * verdict.rules + 0.5 * verdict.model + 0.2 * verdict.external)
    assert tuple(verdict.features) == FRAUD_FEATURES
    assert verdict.model_version == decisions.models.fraud.version


async def test_card_testing_from_a_device_is_stopped_and_said_why(decisions, order, fail_payments):
    fail_payments("device", order.device, 6)
    fail_payments("card", order.card, 4)
    suspect = replace(order, email_domain="mailinator.com", network_country="NG", total=3000.0)
    verdict = await decisions.assess_fraud(suspect)
    assert verdict.features["device_failed_1h"] == 6
    assert verdict.model > 0.8
    assert verdict.action == "decline"
    assert "device_failed_1h" in verdict.reasons
    assert len(set(verdict.reasons)) == len(verdict.reasons)


async def test_failures_of_yesterday_have_left_the_hour(decisions, order, fail_payments):
    fail_payments("device", order.device, 6, age=timedelta(hours=20))
    verdict = await decisions.assess_fraud(order)
    assert (verdict.features["device_failed_1h"], verdict.features["device_failed_24h"]) == (0, 6)


async def test_the_orders_own_event_never_counts(decisions, order, write_features, now):
    items = [Item("earlier", now.timestamp() - 60, 10.0, "a"), Item(order.order_id, now.timestamp(), 25.0, "a")]
    write_features(PARTY_RECENT["card"], order.card, columns_of(items, ORDERS) | columns_of([], FAILED))
    verdict = await decisions.assess_fraud(order)
    assert verdict.features["card_orders_1h"] == 1


async def test_published_risks_are_features_while_they_are_fresh(decisions, order, write_features, now):
    write_features(PARTY_RISK["card"], order.card, {"score": 0.875, "model_version": "v"}, now - timedelta(days=1))
    write_features(PARTY_RISK["device"], order.device, {"score": 0.5, "model_version": "v"}, now - timedelta(days=31))
    verdict = await decisions.assess_fraud(order)
    assert (verdict.features["card_risk"], verdict.features["device_risk"]) == (0.875, None)


async def test_without_the_store_the_other_layers_decide(decisions_at, order):
    decisions = decisions_at("redis://127.0.0.1:1/0")
    verdict = await decisions.assess_fraud(replace(order, email_domain="mailinator.com"))
    assert verdict.fallback == "store_down"
    assert verdict.features["card_orders_24h"] is None
    assert verdict.features["mail_is_disposable"] == 1
    assert verdict.external == 0.9


async def test_without_a_model_its_weight_goes_to_the_others(decisions_at, store_url, order, tmp_path):
    verdict = await decisions_at(store_url, ModelStore(tmp_path)).assess_fraud(order)
    assert (verdict.model, verdict.model_version, verdict.fallback) == (None, None, "no_model")
    assert verdict.composite == pytest.approx((0.3 * verdict.rules + 0.2 * verdict.external) / 0.5)


@pytest.mark.parametrize("behaviour", ["late", "error"])
async def test_a_misbehaving_reputation_list_costs_its_layer_only(decisions, order, behaviour):
    verdict = await decisions.assess_fraud(replace(order, email_domain=f"{behaviour}.reputation-sandbox.example"))
    assert verdict.external is None
    assert verdict.composite == pytest.approx((0.3 * verdict.rules + 0.5 * verdict.model) / 0.8)
    assert verdict.latency_ms < 900


async def test_a_list_that_keeps_failing_is_left_alone(decisions, order):
    for _ in range(5):
        await decisions.assess_fraud(replace(order, email_domain="error.reputation-sandbox.example"))
    good = await decisions.assess_fraud(order)
    assert good.external is None


async def test_a_listed_origin_counts_fully(decisions, order):
    verdict = await decisions.assess_fraud(replace(order, email_domain="listed.reputation-sandbox.example"))
    assert verdict.external == 1.0


async def test_an_order_of_a_guest_without_device_is_assessed(decisions, order):
    verdict = await decisions.assess_fraud(
        replace(order, user=None, device=None, card=None, address=None, email_domain=None, account_age_days=None)
    )
    assert verdict.action == "allow"
    assert verdict.features["is_guest"] == 1
    assert verdict.features["device_orders_1h"] is None
