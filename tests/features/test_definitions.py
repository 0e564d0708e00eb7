"""The feature functions: recent items, windows, interest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.definitions import (
    DAY,
    FAILED,
    FRAUD_FEATURES,
    HOUR,
    ORDERS,
    RECENT_LIMIT,
    VIEWED,
    FraudOrder,
    Item,
    Recent,
    RecentActivity,
    columns_of,
    fraud_features,
    interest,
    items_of,
    with_item,
)

NOW = 1_800_000_000.0
items = st.builds(Item, st.integers(0, 80).map(str), st.integers(0, 50).map(float), st.just(1.0), st.just("p"))


def distinct(found: list[Item]) -> list[Item]:
    return list({item.item_id: item for item in found}.values())


@given(st.lists(items, max_size=120).map(distinct), st.randoms())
def test_items_end_alike_in_any_order_and_however_often_they_come(found, random):
    def all_of(arrivals):
        kept = []
        for item in arrivals:
            kept = with_item(kept, item)
        return kept

    shuffled = [*found, *found]
    random.shuffle(shuffled)
    latest = sorted(found, key=lambda item: (item.time, item.item_id))[-RECENT_LIMIT:]
    assert all_of(found) == latest
    assert all_of(shuffled) == latest


def test_list_features_hold_items_exactly():
    found = [Item("a", 1.25, 2.5, "x"), Item("b", 2.5, 3.0, "")]
    assert items_of(columns_of(found, VIEWED), VIEWED) == found
    assert items_of(columns_of([], ORDERS), ORDERS) == []
    assert columns_of([], FAILED) == {"failed_ids": [], "failed_times": []}
    assert items_of({"failed_ids": None}, FAILED) == []


def order(**changes):
    values = {
        "order_id": "me", "total": 90.0, "units": 3, "lines": 2, "account": "a", "card": "c2", "device": "d",
        "address": "x", "account_age_days": 4.0, "email_domain": "mailinator.com", "shipping_country": "US",
        "network_country": "NG",
    }  # fmt: skip
    return FraudOrder(**(values | changes))


def test_windows_count_what_is_inside_and_never_the_order_itself_or_the_future():
    ages = (0.5 * HOUR, HOUR, 23 * HOUR, DAY, 6 * DAY, 8 * DAY)
    orders = [Item(str(age), NOW - age, 10.0, "c1") for age in ages]
    orders += [Item("me", NOW, 90.0, "c2"), Item("later", NOW + 1, 5.0, "c3")]
    failed = [Item("f1", NOW - 10), Item("f2", NOW - 2 * HOUR), Item("f3", NOW + 5)]
    found = fraud_features(order(), RecentActivity({"account": Recent(orders, failed)}), NOW)
    assert tuple(found) == FRAUD_FEATURES
    assert (found["account_orders_1h"], found["account_orders_24h"], found["account_orders_7d"]) == (1, 3, 5)
    assert found["account_amount_24h"] == 30.0
    assert (found["account_failed_1h"], found["account_failed_24h"]) == (1, 2)
    assert found["account_hours_since_order"] == pytest.approx(0.5)
    assert found["amount_over_account_average"] == pytest.approx(9.0)
    assert found["account_parties"] == 1
    assert found["card_is_new_to_account"] == 1
    assert found["country_differs"] == 1
    assert found["mail_is_disposable"] == 1
    assert found["unit_price"] == 30.0


def test_windows_decay_without_any_further_event():
    recent = RecentActivity({"card": Recent([Item("o", NOW, 1.0, "a")])})
    assert fraud_features(order(), recent, NOW + 60)["card_orders_1h"] == 1
    assert fraud_features(order(), recent, NOW + 2 * HOUR)["card_orders_1h"] == 0


def test_unknown_is_none_and_known_to_be_nothing_is_zero():
    found = fraud_features(order(card=None), RecentActivity({"account": Recent()}, {"device": 0.7}), NOW)
    assert found["account_orders_24h"] == 0
    assert found["account_hours_since_order"] is None
    assert found["card_orders_24h"] is None
    assert found["device_orders_24h"] is None
    assert (found["device_risk"], found["card_risk"]) == (0.7, None)
    assert fraud_features(order(network_country=None), RecentActivity(), NOW)["country_differs"] is None


def test_interest_is_in_what_was_seen_last():
    seen = [Item("1", NOW - 4 * HOUR, 1.0, "old"), Item("2", NOW, 1.0, "new"), Item("3", NOW + 9, 1.0, "future")]
    weights = interest(seen, NOW)
    assert list(weights) == ["new", "old"]
    assert weights["new"] == pytest.approx(4 * weights["old"])
