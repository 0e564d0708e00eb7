"""Checks that need the lake alone: uniqueness, accepted values, freshness, and gold equal to silver to the cent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

from lakefront.clock import real_now
from lakefront.contracts.commerce import OrderStatus, PaymentChanged
from lakefront.lake.access import connect
from lakefront.lake.tables import (
    EVENTS,
    GOLD_CUSTOMERS,
    GOLD_DAYS,
    GOLD_ORDERS,
    GOLD_PRODUCT_DAYS,
    ORDER_LINES,
    ORDER_STATUSES,
    ORDERS,
    PAYMENTS,
    PRICES,
    SESSIONS,
    SILVER,
)
from pipelines.business_time import greatest_occurred_at

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OUTBOX_EVENTS_TWICE = "SELECT count(*) - count(DISTINCT event_id) FROM bronze_events WHERE stream = 'commerce'"
_PLACES_TWICE = """
SELECT coalesce(sum(copies - 1), 0)
  FROM (SELECT count(*) AS copies FROM bronze_events GROUP BY stream, "partition", "offset")
"""
# Rows that repeat in silver, by what names a row of each table.
_ROWS_TWICE = {
    "orders": "SELECT count(*) - count(DISTINCT order_id) FROM silver_orders",
    "order_lines": "SELECT count(*) - count(DISTINCT (order_id, line_number)) FROM silver_order_lines",
    "order_statuses": "SELECT count(*) - count(DISTINCT event_id) FROM silver_order_statuses",
    "payments": "SELECT count(*) - count(DISTINCT event_id) FROM silver_payments",
    "products": "SELECT count(*) - count(DISTINCT event_id) FROM silver_products",
    "prices": "SELECT count(*) - count(DISTINCT event_id) FROM silver_prices",
    "stock": "SELECT count(*) - count(DISTINCT event_id) FROM silver_stock",
    "sessions": "SELECT count(*) - count(DISTINCT session_id) FROM silver_sessions",
    "fraud_decisions": "SELECT count(*) - count(DISTINCT decision_id) FROM silver_fraud_decisions",
    "recommendations": "SELECT count(*) - count(DISTINCT decision_id) FROM silver_recommendations",
    "interactions": "SELECT count(*) - count(DISTINCT event_id) FROM silver_interactions WHERE kind <> 'order'",
}
_UNEXPECTED = {
    "orders.total": "SELECT count(*) FROM silver_orders WHERE total IS NULL OR total < 0",
    "order_lines.quantity": "SELECT count(*) FROM silver_order_lines WHERE quantity IS NULL OR quantity <= 0",
    "order_lines.total": "SELECT count(*) FROM silver_order_lines WHERE total IS NULL OR total < 0",
    "prices.price": "SELECT count(*) FROM silver_prices WHERE price IS NULL OR price < 0",
    "sessions.ended_at": "SELECT count(*) FROM silver_sessions WHERE ended_at < occurred_at",
}
_STATUSES = "SELECT count(*) FROM silver_order_statuses WHERE NOT list_contains(?, status)"
_PAYMENT_STATUSES = "SELECT count(*) FROM silver_payments WHERE NOT list_contains(?, status)"
_SALES = """
WITH latest AS (SELECT order_id, arg_max(status, sequence) AS status FROM silver_order_statuses
                 WHERE occurred_at <= $as_of GROUP BY order_id),
     sales AS (SELECT orders.order_id, total FROM silver_orders AS orders JOIN latest USING (order_id)
                WHERE status IN ('confirmed', 'processing', 'shipped', 'delivered') AND occurred_at <= $as_of)
SELECT (SELECT coalesce(sum(total), 0) FROM sales),
       (SELECT coalesce(sum(lines.total), 0) FROM silver_order_lines AS lines JOIN sales USING (order_id)),
       (SELECT count(*) FROM silver_orders WHERE occurred_at <= $as_of)
"""
_GOLD = """
SELECT (SELECT coalesce(sum(total) FILTER (WHERE is_sale), 0) FROM gold_orders),
       (SELECT coalesce(sum(revenue), 0) FROM gold_days),
       (SELECT coalesce(sum(revenue), 0) FROM gold_product_days),
       (SELECT count(*) FROM gold_orders)
"""


@dataclass(frozen=True)
class Finding:
    """Outcome of a check: whether it holds, and the figures that say so."""

    holds: bool
    figures: dict[str, Any] = field(default_factory=dict)


def bronze_uniqueness(lake_uri: str | None = None) -> Finding:
    """No event id twice among outbox events, no (stream, partition, offset) twice among all."""
    with connect((EVENTS,), lake_uri) as lake:
        figures = {
            "outbox_events_twice": int(lake.execute(_OUTBOX_EVENTS_TWICE).fetchall()[0][0]),
            "places_twice": int(lake.execute(_PLACES_TWICE).fetchall()[0][0]),
        }
    return Finding(not any(figures.values()), figures)


def silver_uniqueness(lake_uri: str | None = None) -> Finding:
    """Each row of silver once: a batch that its client sent twice was removed."""
    with connect(SILVER, lake_uri) as lake:
        figures = {name: int(lake.execute(query).fetchall()[0][0]) for name, query in _ROWS_TWICE.items()}
    return Finding(not any(figures.values()), figures)


def silver_values(lake_uri: str | None = None) -> Finding:
    """Statuses are the contract's, amounts are amounts and not negative, sessions end after they begin."""
    payment_statuses = get_args(PaymentChanged.model_fields["status"].annotation)
    with connect((ORDERS, ORDER_LINES, ORDER_STATUSES, PAYMENTS, PRICES, SESSIONS), lake_uri) as lake:
        figures = {name: int(lake.execute(query).fetchall()[0][0]) for name, query in _UNEXPECTED.items()}
        figures["order_statuses.status"] = lake.execute(_STATUSES, [list(get_args(OrderStatus))]).fetchall()[0][0]
        figures["payments.status"] = lake.execute(_PAYMENT_STATUSES, [list(payment_statuses)]).fetchall()[0][0]
    return Finding(not any(figures.values()), figures)


def bronze_freshness(limit: timedelta, lake_uri: str | None = None, now: datetime | None = None) -> Finding:
    """Something was written to bronze within the limit (real time)."""
    with connect((EVENTS,), lake_uri) as lake:
        newest = lake.execute("SELECT epoch(max(written_at)) FROM bronze_events").fetchall()[0][0]
    if newest is None:
        return Finding(False, {"newest": None})
    age = (now or real_now()).timestamp() - newest
    return Finding(age <= limit.total_seconds(), {"age_seconds": round(age, 1)})


def marts_taken_at(lake_uri: str | None = None) -> datetime:
    """Business time of the published marts; where no customer tells it, the greatest in silver."""
    with connect((GOLD_CUSTOMERS,), lake_uri) as lake:
        micros = lake.execute("SELECT epoch_us(max(as_of)) FROM gold_customers").fetchall()[0][0]
    return greatest_occurred_at(lake_uri) if micros is None else _EPOCH + timedelta(microseconds=micros)


def gold_equals_silver(as_of: datetime, lake_uri: str | None = None) -> Finding:
    """Revenue of gold's orders, days and product days is that of silver, to the cent, and so is the number of orders."""
    with connect((ORDERS, ORDER_LINES, ORDER_STATUSES, GOLD_ORDERS, GOLD_DAYS, GOLD_PRODUCT_DAYS), lake_uri) as lake:
        silver, silver_lines, silver_orders = lake.execute(_SALES, {"as_of": as_of}).fetchall()[0]
        orders, days, product_days, gold_orders = lake.execute(_GOLD).fetchall()[0]
    figures = {
        "revenue_silver": _cents(silver),
        "revenue_orders": _cents(orders),
        "revenue_days": _cents(days),
        "revenue_lines_silver": _cents(silver_lines),
        "revenue_product_days": _cents(product_days),
        "orders_silver": silver_orders,
        "orders_gold": gold_orders,
    }
    holds = silver == orders == days and silver_lines == product_days and silver_orders == gold_orders
    return Finding(holds, figures)


def _cents(amount: Decimal | int) -> str:
    return format(Decimal(amount), ".2f")
