"""Fraudsters keep to their share and their patterns; charge-backs come business days later, signed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson

from lakefront.webhook_signature import is_valid
from simulator.chargebacks import SIGNATURE_HEADER, ChargeBack, ChargeBacks, business_days_later, webhook
from simulator.fraudsters import PATTERNS, Fraudsters, Raid

from .conftest import Ground

FRIDAY = datetime(2026, 1, 9, 12, tzinfo=UTC)


def raids_of(ground: Ground, honest: int = 6000) -> list[Raid]:
    gang = Fraudsters(ground.products, 1, 1, "key")
    return [raid for _ in range(honest // 20) for raid in gang.plan(20, ground.shoppers[:50])]


def test_frauds_are_three_to_five_per_cent_of_the_paid_orders(ground: Ground) -> None:
    frauds = sum(len(raid.purchases) for raid in raids_of(ground))
    assert 0.03 < frauds / (frauds + 6000) < 0.05


def test_all_patterns_occur(ground: Ground) -> None:
    counts = Counter(raid.pattern for raid in raids_of(ground))
    assert set(counts) == set(PATTERNS)
    assert min(counts.values()) > 0.1 * sum(counts.values())


def test_card_testers_burn_cards_before_the_hit(ground: Ground) -> None:
    testers = [raid for raid in raids_of(ground) if raid.pattern == "card_testing"]
    for raid in testers:
        assert 3 <= len(raid.purchases[0].dead_tokens) <= 7
        assert all(token.startswith("tok_decline_") for token in raid.purchases[0].dead_tokens)
        assert not raid.purchases[-1].payment_token.startswith("tok_decline_")


def test_takeovers_use_the_victims_account_from_a_new_device(ground: Ground) -> None:
    emails = {s.visitor.account.email: s for s in ground.shoppers[:50] if s.visitor.account}
    takeovers = [raid for raid in raids_of(ground) if raid.pattern == "account_takeover"]
    for raid in takeovers:
        assert raid.visitor.account is not None
        victim = emails[raid.visitor.account.email]
        assert raid.visitor.device != victim.visitor.device
        assert raid.visitor.network_address != victim.visitor.network_address
        assert raid.visitor.shipping_address != victim.visitor.shipping_address


def test_ring_members_share_a_drop_and_devices_but_no_account(ground: Ground) -> None:
    rings: dict[str, list[Raid]] = {}
    for raid in raids_of(ground):
        if raid.pattern == "reshipping_ring":
            rings.setdefault(raid.visitor.network_address, []).append(raid)
    full = [members for members in rings.values() if len(members) == 7]
    assert full
    for members in full:
        assert len({orjson.dumps(raid.visitor.shipping_address) for raid in members}) == 1
        assert len({raid.visitor.device for raid in members}) == 2
        assert len({raid.visitor.account.email for raid in members if raid.visitor.account}) == 7
        assert len({raid.purchases[0].payment_token for raid in members}) == 7


def test_stolen_baskets_are_dear(ground: Ground) -> None:
    price = np.array([product.price for product in ground.products])
    baskets = [
        sum(price[row] * quantity for row, quantity in raid.purchases[0].lines.items())
        for raid in raids_of(ground)
        if raid.pattern == "stolen_card"
    ]
    assert np.median(baskets) > 4 * np.median(price)


def test_business_days_skip_the_weekend() -> None:
    assert business_days_later(FRIDAY, 1) == datetime(2026, 1, 12, 12, tzinfo=UTC)
    assert business_days_later(FRIDAY, 6) == datetime(2026, 1, 19, 12, tzinfo=UTC)


def test_chargebacks_come_late_and_once() -> None:
    waiting = ChargeBacks([], np.random.default_rng(1))
    for number in range(1000):
        waiting.expect(f"fraud-{number}", FRIDAY, is_fraud=True)
        waiting.expect(f"honest-{number}", FRIDAY, is_fraud=False)
    assert not waiting.take_due(FRIDAY + timedelta(hours=12))
    told = [entry for day in range(1, 15) for entry in waiting.take_due(FRIDAY + timedelta(days=day))]
    frauds = [entry for entry in told if entry.payment_id.startswith("fraud")]
    assert 880 < len(frauds) < 970
    assert len(told) - len(frauds) < 15
    assert len({entry.payment_id for entry in told}) == len(told)
    assert not waiting.pending()


def test_pending_chargebacks_survive_a_restart() -> None:
    first = ChargeBacks([], np.random.default_rng(1))
    for number in range(50):
        first.expect(f"fraud-{number}", FRIDAY, is_fraud=True)
    second = ChargeBacks(orjson.loads(orjson.dumps(first.pending())), np.random.default_rng(2))
    assert len(second.take_due(FRIDAY + timedelta(days=30))) == len(first.pending()) > 40


def test_the_webhook_is_signed_over_its_very_bytes() -> None:
    body, headers = webhook(ChargeBack("payment-1", "2026-01-12T12:00:00.000000Z"), "key")
    assert orjson.loads(body)["merchant_reference"] == "payment-1"
    assert is_valid(body, headers[SIGNATURE_HEADER], "key")
