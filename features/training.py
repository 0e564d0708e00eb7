"""Training sets: the features that a decision was really made from, and where there are none, those as of its time.

The second way is an ASOF JOIN in DuckDB over the history of the Feast views, within their ttl. (Feast's own
historical join lost the rows of new customers and took forty times as long; it stands in a contract test only.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from features.definitions import (
    FAILED,
    FRAUD_ENTITIES,
    FRAUD_FEATURES,
    ORDERS,
    PARTY_RECENT,
    PARTY_RISK,
    RISK_ENTITIES,
    FraudOrder,
    Recent,
    RecentActivity,
    View,
    fraud_features,
    items_of,
)
from features.history import write_party_history
from features.offline import CREATED_TIME, EVENT_TIME, HISTORY
from lakefront.lake.access import connect, register
from lakefront.lake.tables import GOLD_FRAUD_LABELS, ORDER_LINES, TIME
from lakefront.lake.tables import ORDERS as SILVER_ORDERS

FACTS = pa.schema(
    [
        ("order_id", pa.string()),
        ("placed_at", TIME),
        ("user", pa.string()),
        ("card", pa.string()),
        ("device", pa.string()),
        ("address", pa.string()),
        ("total", pa.float64()),
        ("action", pa.string()),
        ("is_sale", pa.bool_()),
        ("charged_back_at", TIME),
        ("features_from", pa.string()),  # decision | history
    ]
)
"""What a training set tells of an order besides FRAUD_FEATURES. The label is known from ``charged_back_at`` on."""

_LABELLED = """
SELECT l.order_id, l.placed_at, l."user", l.card, l.device, l.address, l.total::double AS total, l.action,
       l.is_sale,
       CASE WHEN l.charged_back_at <= $as_of THEN l.charged_back_at END AS charged_back_at, l.features
  FROM gold_fraud_labels l WHERE l.placed_at <= $as_of ORDER BY l.placed_at, l.order_id
"""
_ORDERS = """
SELECT o.order_id, epoch_us(o.occurred_at) / 1e6 AS at, o.occurred_at AS placed_at, o."user" AS account, o.card,
       o.device, o.address, o.total::double AS total, o.payment_kind, o.account_age_days, o.shipping_country,
       o.network_country, o.email_domain, coalesce(l.units, 0) AS units, coalesce(l.lines, 0) AS lines
  FROM silver_orders o
  LEFT JOIN (SELECT order_id, sum(quantity) AS units, count(*) AS lines FROM silver_order_lines GROUP BY 1) l
    ON l.order_id = o.order_id
 WHERE o.order_id IN (SELECT unnest($order_ids))
"""


def fraud_training_set(as_of: datetime, lake_uri: str | None = None) -> pa.Table:
    """Orders placed by ``as_of`` with FRAUD_FEATURES and what was known of charge-backs by then (columns FACTS)."""
    with connect((GOLD_FRAUD_LABELS,), lake_uri) as lake:
        labelled = _rows(lake, _LABELLED, {"as_of": as_of})
    logged = [None if text is None else json.loads(text) for text in labelled["features"].to_pylist()]
    without = [order for order, found in zip(labelled["order_id"].to_pylist(), logged, strict=True) if not found]
    computed = fraud_features_as_of(without, as_of, lake_uri) if without else {}
    chosen: list[Mapping[str, float | None]] = [
        found or computed.get(order, {}) for order, found in zip(labelled["order_id"].to_pylist(), logged, strict=True)
    ]
    facts = labelled.drop_columns(["features"]).append_column(
        "features_from", pa.array(["decision" if found else "history" for found in logged], pa.string())
    )
    columns = [pa.array([row.get(name) for row in chosen], pa.float64()) for name in FRAUD_FEATURES]
    arrays = [facts[name].cast(FACTS.field(name).type) for name in FACTS.names]
    return pa.table([*arrays, *columns], names=[*FACTS.names, *FRAUD_FEATURES])


def fraud_features_as_of(
    order_ids: Sequence[str], as_of: datetime, lake_uri: str | None = None
) -> dict[str, dict[str, float | None]]:
    """Features of orders as they would have been at their own time, from the history of the views."""
    write_party_history(as_of, lake_uri)
    with connect((SILVER_ORDERS, ORDER_LINES), lake_uri) as lake:
        orders = _rows(lake, _ORDERS, {"order_ids": list(order_ids)})
        lake.register("orders", orders)
        joined = {view.name: _joined(lake, view, lake_uri) for view in (*PARTY_RECENT.values(), *PARTY_RISK.values())}
    return {
        order["order_id"]: fraud_features(
            _order(order), _activity(order, {name: found.get(order["order_id"]) for name, found in joined.items()}),
            order["at"],
        )
        for order in orders.to_pylist()
    }  # fmt: skip


def _joined(lake: duckdb.DuckDBPyConnection, view: View, lake_uri: str | None) -> dict[str, dict[str, Any]]:
    """Per order the features of a view that held at its time, for those that had any within the ttl."""
    register(lake, HISTORY[view.name], lake_uri)
    names = ", ".join(f"h.{name}" for name in view.features)
    rows = _rows(
        lake,
        f"""
        SELECT o.order_id, {names}
          FROM orders o
          ASOF JOIN (SELECT * FROM features_{view.name}
                     QUALIFY row_number() OVER (PARTITION BY "{view.entity}", {EVENT_TIME}
                                                ORDER BY {CREATED_TIME} DESC) = 1) h
            ON o."{view.entity}" = h."{view.entity}" AND o.placed_at >= h.{EVENT_TIME}
         WHERE o.placed_at - h.{EVENT_TIME} <= to_days({view.ttl_days})
        """,
    )
    return {row["order_id"]: row for row in rows.to_pylist()}


def _rows(lake: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any] | None = None) -> pa.Table:
    """The answer to a query."""
    return pa.table(lake.sql(query, params=parameters).to_arrow_table())


def _order(row: Mapping[str, Any]) -> FraudOrder:
    names = (
        "order_id", "total", "account", "card", "device", "address", "account_age_days", "email_domain",
        "shipping_country", "network_country",
    )  # fmt: skip
    return FraudOrder(
        units=int(row["units"]),
        lines=int(row["lines"]),
        payment_kind=row["payment_kind"] or "card",
        **{name: row[name] for name in names},
    )


def _activity(order: Mapping[str, Any], found: Mapping[str, Mapping[str, Any] | None]) -> RecentActivity:
    """What the store would have known. A party without history is known to have done nothing."""
    parties = {}
    for entity in FRAUD_ENTITIES:
        if order[entity]:
            lists = found[PARTY_RECENT[entity].name] or {}
            parties[entity] = Recent(items_of(lists, ORDERS), items_of(lists, FAILED))
    scores = {entity: found[PARTY_RISK[entity].name] for entity in RISK_ENTITIES}
    return RecentActivity(parties, {entity: row["score"] for entity, row in scores.items() if row is not None})
