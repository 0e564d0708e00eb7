"""Rules, composite and action: the numbers of the design."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.definitions import FRAUD_FEATURES, FraudOrder, Item, Recent, RecentActivity, fraud_features
from models.fraud.rules import RULES, action, composite, rules_score

SCORE = st.one_of(st.none(), st.floats(0, 1))
ORDINARY = FraudOrder(
    order_id="o", total=80.0, units=2, lines=2, account="a", card="c", device="d", address="n", account_age_days=30.0,
    email_domain="example.org", shipping_country="US", network_country="US",
)  # fmt: skip


def test_every_rule_asks_for_a_feature_that_exists() -> None:
    assert {rule.feature for rule in RULES} <= set(FRAUD_FEATURES)


def test_an_ordinary_order_fires_nothing() -> None:
    activity = RecentActivity({entity: Recent() for entity in ("account", "card", "device", "address")})
    assert rules_score(fraud_features(ORDINARY, activity, 1e9)) == (0.0, [])
    assert rules_score({}) == (0.0, [])


def test_card_testing_is_declined_by_rules_alone() -> None:
    now = 1e9
    failed = tuple(Item(f"f{n}", now - 60 * n) for n in range(1, 7))
    orders = tuple(Item(f"o{n}", now - 300 * n, 5.0, f"account-{n}") for n in range(1, 5))
    party = Recent(orders, failed)
    features = fraud_features(ORDINARY, RecentActivity({"card": party, "device": party}), now)
    score, reasons = rules_score(features)
    assert action(composite(score, None, None)) == "decline"
    assert {"failed_payments_24h", "card_orders_1h", "accounts_of_card"} <= set(reasons)


def test_one_weak_sign_is_allowed_several_are_looked_at() -> None:
    abroad = {"country_differs": 1.0}
    assert action(composite(rules_score(abroad)[0], None, None)) == "allow"
    several = abroad | {"mail_is_disposable": 1.0, "account_age_days": 0.2, "order_total": 600.0}
    score, reasons = rules_score(several)
    assert 0.6 < score <= 0.8
    assert action(composite(score, None, None)) == "review"
    assert set(reasons) == {"country_differs", "mail_is_disposable", "large_order_of_new_account"}


def test_a_family_counts_once_with_its_strongest() -> None:
    score, reasons = rules_score({"device_parties": 7.0, "card_parties": 2.0, "account_parties": 5.0})
    assert score == pytest.approx(0.7)
    assert reasons == ["accounts_of_device"]


def test_composite_of_the_design() -> None:
    assert composite(0.5, 0.8, 0.1) == pytest.approx(0.3 * 0.5 + 0.5 * 0.8 + 0.2 * 0.1)
    assert composite(0.5, None, 0.1) == pytest.approx((0.3 * 0.5 + 0.2 * 0.1) / 0.5)
    assert composite(0.5, 0.8, None) == pytest.approx((0.3 * 0.5 + 0.5 * 0.8) / 0.8)
    assert composite(0.4, None, None) == pytest.approx(0.4)
    assert composite(None, None, None) == 0.0


def test_thresholds_of_the_design_are_exclusive() -> None:
    assert [action(score) for score in (0.0, 0.6, 0.61, 0.8, 0.81, 1.0)] == [
        "allow", "allow", "review", "review", "decline", "decline",
    ]  # fmt: skip


@given(SCORE, SCORE, SCORE)
def test_composite_lies_between_the_layers(rules: float | None, model: float | None, external: float | None) -> None:
    answered = [score for score in (rules, model, external) if score is not None]
    found = composite(rules, model, external)
    assert (min(answered) - 1e-9 <= found <= max(answered) + 1e-9) if answered else found == 0.0


@given(st.dictionaries(st.sampled_from(FRAUD_FEATURES), st.one_of(st.none(), st.floats(0, 1e6))))
def test_rules_score_is_a_score_and_more_signs_never_lower_it(features: dict[str, float | None]) -> None:
    score, reasons = rules_score(features)
    assert 0.0 <= score <= 1.0
    assert (score > 0) == bool(reasons)
    worse, _ = rules_score(features | {"device_failed_24h": 50.0})
    assert worse >= score - 1e-9
