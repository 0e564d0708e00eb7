"""Training sets: logged features as they are, others as of the order's time, no order lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from features import offline
from features.definitions import FRAUD_FEATURES, PARTY_RISK, FraudOrder, Item, Recent, RecentActivity, fraud_features
from features.training import FACTS, fraud_training_set
from lakefront.lake.access import replace
from lakefront.lake.tables import GOLD_FRAUD_LABELS, ORDER_LINES, ORDERS, PAYMENTS, Table

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
AS_OF = START + timedelta(days=10)


def write(table: Table, rows: list[dict]) -> None:
    blank = dict.fromkeys(table.schema.names)
    columns = {name: [(blank | row)[name] for row in rows] for name in table.schema.names}
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in table.schema]
    replace(table, pa.table(arrays, schema=table.schema))


def placed(number: int, at: datetime, **changes) -> dict:
    row = {
        "event_id": f"e{number}", "order_id": f"o{number}", "occurred_at": at, "occurred_date": at.date(), "user": "u",
        "total": "20.0000", "payment_kind": "card", "account_age_days": 5.0, "device": "d", "card": "c",
        "address": "x", "shipping_country": "US", "network_country": "US", "email_domain": "mail.example",
        "channel": "shop", "currency": "USD",
    }  # fmt: skip
    return row | changes


def labelled(order: dict, features: dict | None, **changes) -> dict:
    names = ("order_id", "user", "device", "card", "address", "total")
    logged = None if features is None else json.dumps(features)
    return {name: order[name] for name in names} | {
        "placed_at": order["occurred_at"], "action": "allow", "is_sale": True, "features": logged, **changes
    }  # fmt: skip


@pytest.fixture
def orders(lake_uri):
    """Five orders of one shopper, the last one by a newcomer; a failed payment between the second and the third."""
    hours = (0, 1, 1.5, 240)
    made = [placed(number, START + timedelta(hours=hour)) for number, hour in enumerate(hours)]
    made.append(placed(4, START + timedelta(hours=2), user="new", device=None, card="c9", address="y"))
    write(ORDERS, made)
    write(ORDER_LINES, [
        {**placed(n, made[n]["occurred_at"]), "line_number": line, "quantity": 2, "total": "10.0000"}
        for n in range(5) for line in (0, 1)
    ])  # fmt: skip
    at = START + timedelta(hours=1.25)
    write(PAYMENTS, [
        {"event_id": "p1", "occurred_at": at, "occurred_date": at.date(), "payment_id": "p", "order_id": "o1",
         "user": "u", "status": "failed", "device": "d", "card": "c", "address": "x"},
        {"event_id": "p2", "occurred_at": at, "occurred_date": at.date(), "payment_id": "q", "order_id": "o1",
         "user": "u", "status": "captured", "device": "d", "card": "c", "address": "x"},
    ])  # fmt: skip
    return made


def by_order(rows: pa.Table) -> dict[str, dict]:
    return {row["order_id"]: row for row in rows.to_pylist()}


def test_logged_features_are_taken_as_they_were(orders):
    logged = {name: float(number) for number, name in enumerate(FRAUD_FEATURES)} | {"card_risk": None}
    write(GOLD_FRAUD_LABELS, [labelled(orders[0], logged)])
    rows = fraud_training_set(AS_OF)
    assert rows.schema.names == [*FACTS.names, *FRAUD_FEATURES]
    row = by_order(rows)["o0"]
    assert {name: row[name] for name in FRAUD_FEATURES} == logged
    assert row["features_from"] == "decision"


def test_other_orders_get_their_features_as_of_their_own_time_and_none_is_lost(orders):
    write(GOLD_FRAUD_LABELS, [labelled(order, None) for order in orders])
    rows = by_order(fraud_training_set(AS_OF))
    assert set(rows) == {"o0", "o1", "o2", "o3", "o4"}

    earlier = [Item(f"o{n}", orders[n]["occurred_at"].timestamp(), 20.0, "c") for n in range(2)]
    failed = [Item("p1", (START + timedelta(hours=1.25)).timestamp())]
    account = Recent(earlier, failed)
    others = Recent([item._replace(party="u") for item in earlier], failed)
    order = FraudOrder(
        "o2", 20.0, 4, 2, "u", "c", "d", "x", 5.0, "mail.example", "US", "US", "card"
    )  # fmt: skip
    activity = RecentActivity({"account": account, "card": others, "device": others, "address": others})
    expected = fraud_features(order, activity, orders[2]["occurred_at"].timestamp())
    assert {name: rows["o2"][name] for name in FRAUD_FEATURES} == expected
    assert expected["card_failed_1h"] == 1

    assert rows["o0"]["account_orders_7d"] == 0
    assert rows["o3"]["account_orders_7d"] == 0  # the windows have passed, the habits have not
    assert rows["o3"]["amount_over_account_average"] == 1.0
    assert rows["o4"]["card_orders_24h"] == 0
    assert rows["o4"]["device_orders_24h"] is None


def test_risks_are_those_published_before_the_order_and_not_too_old(orders):
    write(GOLD_FRAUD_LABELS, [labelled(order, None) for order in orders])
    view = PARTY_RISK["card"]
    moments = ((-31 * 24, 0.1), (0.5, 0.2), (0.5, 0.3), (1.75, 0.9))
    history = [
        {"card": "c", "event_timestamp": START + timedelta(hours=hour), "score": score, "model_version": "v",
         "created_timestamp": START + timedelta(seconds=number)}
        for number, (hour, score) in enumerate(moments)
    ]  # fmt: skip
    offline.append(view, pa.Table.from_pylist(history, schema=offline.HISTORY[view.name].schema))
    rows = by_order(fraud_training_set(AS_OF))
    assert [rows[f"o{n}"]["card_risk"] for n in range(4)] == [None, 0.3, 0.3, 0.9]


def test_labels_are_those_known_by_then(orders):
    charged = START + timedelta(days=3)
    write(GOLD_FRAUD_LABELS, [labelled(order, {"order_total": 1.0}, charged_back_at=charged) for order in orders])
    before, after = (by_order(fraud_training_set(charged + timedelta(days=day))) for day in (-1, 1))
    assert set(before) == {"o0", "o1", "o2", "o4"}  # o3 was not placed yet
    assert {row["charged_back_at"] for row in before.values()} == {None}
    assert {row["charged_back_at"] for row in after.values()} == {charged}
    assert before["o0"]["card_orders_1h"] is None


def test_an_empty_lake_gives_an_empty_training_set(lake_uri):
    rows = fraud_training_set(AS_OF)
    assert rows.num_rows == 0
    assert rows.schema.names == [*FACTS.names, *FRAUD_FEATURES]
