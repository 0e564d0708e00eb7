"""Routing is a pure function: which gateways take a payment, and in which order they are asked."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transactional.payments.methods import METHODS, method_of
from transactional.payments.routing import History, Outcomes, Payment, Rule, expected_cost, route

CHEAP = Rule("cheap", "card", fee_share=0.01)
DEAR = Rule("dear", "card", fee_share=0.03)
BOTH = ["dear", "cheap"]
PAYMENT = Payment("card", "tok_visa", Decimal(100), "USD", "US", 0.0)


def failing(gateway: str, region: str = "US", attempts: int = 100, successes: int = 20) -> History:
    return History({(gateway, region, "card"): Outcomes(attempts, successes)})


def test_without_a_history_the_fee_decides():
    assert route(PAYMENT, [DEAR, CHEAP], History(), BOTH) == ["cheap", "dear"]


def test_the_fixed_part_of_a_fee_weighs_on_small_payments():
    fixed = Rule("dear", "card", currency="USD", fee_fixed=Decimal("0.30"))
    assert route(PAYMENT, [CHEAP, fixed], History(), BOTH) == ["dear", "cheap"]
    assert route(replace(PAYMENT, amount=Decimal(5)), [CHEAP, fixed], History(), BOTH) == ["cheap", "dear"]


def test_a_gateway_that_often_fails_is_asked_last_in_that_region_first_in_the_others():
    outcomes = failing("cheap", "BR").outcomes | {("cheap", "US", "card"): Outcomes(900, 890)}
    recent = History(outcomes)
    assert route(replace(PAYMENT, country="BR"), [DEAR, CHEAP], recent, BOTH) == ["dear", "cheap"]
    assert route(PAYMENT, [DEAR, CHEAP], recent, BOTH) == ["cheap", "dear"]


def test_a_few_attempts_prove_little():
    assert route(PAYMENT, [DEAR, CHEAP], failing("cheap", attempts=1, successes=0), BOTH) == ["cheap", "dear"]
    assert route(PAYMENT, [DEAR, CHEAP], failing("cheap", attempts=40, successes=0), BOTH) == ["dear", "cheap"]


def test_success_is_counted_by_method():
    wallets = replace(PAYMENT, method="wallet")
    rules = [CHEAP, DEAR, replace(CHEAP, method="wallet"), replace(DEAR, method="wallet")]
    recent = failing("cheap")
    assert route(PAYMENT, rules, recent, BOTH) == ["dear", "cheap"]
    assert route(wallets, rules, recent, BOTH) == ["cheap", "dear"]


def test_a_region_without_attempts_leans_on_the_gateways_other_regions():
    assert History().success_rate("cheap", "FR", "card") == pytest.approx(0.95)
    elsewhere = History({("cheap", "US", "card"): Outcomes(980, 490)})
    assert elsewhere.success_rate("cheap", "FR", "card") == pytest.approx((490 + 19) / 1000)


@pytest.mark.parametrize(
    "rule",
    [
        replace(CHEAP, countries=frozenset({"DE", "FR"})),
        replace(CHEAP, excluded_countries=frozenset({"US"})),
        replace(CHEAP, token_prefixes=("pm_",)),
        replace(CHEAP, currency="USD", least_amount=Decimal("100.01")),
        replace(CHEAP, currency="USD", greatest_amount=Decimal("99.99")),
        replace(CHEAP, method="wallet"),
        replace(CHEAP, currency="EUR"),
    ],
)
def test_a_gateway_whose_rule_does_not_fit_is_not_asked(rule):
    assert route(PAYMENT, [rule, DEAR], History(), BOTH) == ["dear"]


def test_amounts_at_the_limits_are_taken():
    exact = replace(CHEAP, currency="USD", least_amount=Decimal(100), greatest_amount=Decimal(100))
    assert route(PAYMENT, [exact, DEAR], History(), BOTH) == ["cheap", "dear"]


def test_the_rule_of_the_currency_goes_before_that_of_all():
    special = replace(CHEAP, currency="JPY", fee_share=0.05)
    assert route(replace(PAYMENT, currency="JPY"), [CHEAP, special, DEAR], History(), BOTH) == ["dear", "cheap"]
    assert route(PAYMENT, [CHEAP, special, DEAR], History(), BOTH) == ["cheap", "dear"]


def test_a_risk_above_its_limit_keeps_a_payment_from_a_gateway():
    careful = replace(CHEAP, greatest_risk=0.5)
    assert route(replace(PAYMENT, risk=0.5), [careful, DEAR], History(), BOTH) == ["cheap", "dear"]
    assert route(replace(PAYMENT, risk=0.51), [careful, DEAR], History(), BOTH) == ["dear"]


def test_a_risky_payment_goes_where_the_loss_is_not_ours():
    insured = replace(DEAR, loss_share=0.0)
    assert route(PAYMENT, [CHEAP, insured], History(), BOTH) == ["cheap", "dear"]
    assert route(replace(PAYMENT, risk=0.6), [CHEAP, insured], History(), BOTH) == ["dear", "cheap"]


def test_an_open_circuit_is_only_the_last_resort():
    assert route(PAYMENT, [CHEAP, DEAR], History(), BOTH, away={"cheap"}) == ["dear", "cheap"]
    assert route(PAYMENT, [CHEAP], History(), ["cheap"], away={"cheap"}) == ["cheap"]


def test_a_payment_that_no_rule_fits_goes_nowhere():
    assert (
        route(replace(PAYMENT, country="KP"), [replace(CHEAP, excluded_countries=frozenset({"KP"}))], History(), BOTH)
        == []
    )


def test_a_rule_of_a_gateway_that_is_not_in_use_is_ignored():
    assert route(PAYMENT, [CHEAP, DEAR], History(), ["dear"]) == ["dear"]


def test_no_more_gateways_are_asked_than_there_are_tries():
    names = ["a", "b", "c", "d"]
    assert route(PAYMENT, [Rule(name, "card") for name in names], History(), names) == ["a", "b", "c"]


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), unique=True),
    st.floats(0, 1),
    st.floats(0, 0.1),
    st.decimals(min_value="0.01", max_value="9999", places=2),
    st.dictionaries(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["US", "DE"]), st.just("card")),
        st.tuples(st.integers(0, 500), st.floats(0, 1)).map(lambda t: Outcomes(t[0], t[0] * t[1])),
    ),
)
def test_the_order_is_that_of_the_expected_cost_and_does_not_depend_on_the_order_of_the_rules(
    names, risk, fee, amount, outcomes
):
    payment, recent = replace(PAYMENT, amount=amount, risk=risk), History(outcomes)
    rules = [Rule(name, "card", fee_share=fee * number) for number, name in enumerate(["a", "b", "c"])]
    found = route(payment, rules, recent, names)
    assert found == route(payment, rules[::-1], recent, names[::-1])
    assert sorted(found) == sorted(names)
    costs = [expected_cost(next(rule for rule in rules if rule.gateway == name), payment, recent) for name in found]
    assert costs == sorted(costs)
    assert all(0 <= recent.success_rate(name, "US", "card") <= 1 for name in names)


def test_the_token_says_which_method_it_is():
    tokens = ["tok_visa", "tok_wallet_apple", "pm_klarna_1", "tok_bnpl_2", "tok_invoice"]
    assert [method_of(token) for token in tokens] == [
        "card", "wallet", "buy_now_pay_later", "buy_now_pay_later", "buy_now_pay_later",
    ]  # fmt: skip
    assert METHODS == ("card", "wallet", "buy_now_pay_later")
