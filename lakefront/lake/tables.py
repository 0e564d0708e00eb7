"""Table contracts of the lake: where each table stands, its columns and what partitions it.

Bronze is what arrived, byte for byte. Silver is typed, deduplicated and ordered. Gold is what people and models read; its
marts are defined in dbt/models/marts and their columns are held to this page by a test. Amounts are decimal(18, 4), times are
UTC microseconds, ids are strings.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(18, 4)


@dataclass(frozen=True)
class Table:
    """A Delta table: ``layer/name`` below the lake's root."""

    layer: str
    name: str
    schema: pa.Schema
    partitioned_by: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return f"{self.layer}/{self.name}"


def _silver(name: str, *fields: tuple[str, pa.DataType]) -> Table:
    """Silver tables share the event's identity and are partitioned by the date on which it occurred."""
    head: tuple[tuple[str, pa.DataType], ...] = (
        ("event_id", pa.string()),
        ("occurred_at", TIME),
        ("occurred_date", pa.date32()),
        ("recorded_at", TIME),
    )
    return Table("silver", name, pa.schema([*head, *fields]), ("occurred_date",))


EVENTS = Table(
    "bronze",
    "events",
    pa.schema(
        [
            ("event_id", pa.string()),
            ("event_type", pa.string()),
            ("occurred_at", TIME),
            ("recorded_at", TIME),
            ("source", pa.string()),
            ("key", pa.string()),
            ("sequence", pa.int64()),
            ("stream", pa.string()),  # commerce | clicks
            ("partition", pa.int32()),
            ("offset", pa.int64()),  # outbox position, or bus offset + place in the pack
            ("payload", pa.string()),  # the whole envelope
            ("written_at", TIME),  # real time of the bronze commit, for click_to_bronze
            ("recorded_date", pa.date32()),
        ]
    ),
    ("recorded_date",),
)

# One row per click, add to cart or bought line: what ALS learns from.
INTERACTIONS = _silver(
    "interactions",
    ("user", pa.string()),  # pseudonym, null for a guest
    ("session", pa.string()),
    ("product_id", pa.string()),
    ("kind", pa.string()),  # view | cart | order
    ("quantity", pa.int64()),
    ("surface", pa.string()),
    ("decision_id", pa.string()),
    ("position", pa.int32()),
)
# A session: events of one visitor without a gap of 30 minutes. event_id is its first event's.
SESSIONS = _silver(
    "sessions",
    ("session_id", pa.string()),  # hash of key and first event
    ("user", pa.string()),
    ("session", pa.string()),  # the client's own session key
    ("ended_at", TIME),
    ("events", pa.int64()),
    ("views", pa.int64()),
    ("carts", pa.int64()),
    ("orders", pa.int64()),
)
ORDERS = _silver(
    "orders",
    ("order_id", pa.string()),
    ("user", pa.string()),
    ("session", pa.string()),
    ("channel", pa.string()),
    ("currency", pa.string()),
    ("total", MONEY),
    ("payment_kind", pa.string()),
    ("account_age_days", pa.float64()),
    ("device", pa.string()),
    ("card", pa.string()),
    ("address", pa.string()),
    ("shipping_country", pa.string()),
    ("network_country", pa.string()),
    ("email_domain", pa.string()),
)
ORDER_LINES = _silver(
    "order_lines",
    ("order_id", pa.string()),
    ("line_number", pa.int32()),
    ("user", pa.string()),
    ("product_id", pa.string()),
    ("sku", pa.string()),
    ("category_path", pa.string()),
    ("quantity", pa.int64()),
    ("unit_price", MONEY),
    ("total", MONEY),
    ("channel", pa.string()),
)
ORDER_STATUSES = _silver(
    "order_statuses",
    ("order_id", pa.string()),
    ("sequence", pa.int64()),
    ("user", pa.string()),
    ("previous", pa.string()),
    ("status", pa.string()),
    ("reason", pa.string()),
)
PAYMENTS = _silver(
    "payments",
    ("payment_id", pa.string()),
    ("sequence", pa.int64()),
    ("order_id", pa.string()),
    ("user", pa.string()),
    ("status", pa.string()),
    ("amount", MONEY),
    ("currency", pa.string()),
    ("gateway", pa.string()),
    ("reason", pa.string()),
    ("device", pa.string()),
    ("card", pa.string()),
    ("address", pa.string()),
)
PRODUCTS = _silver(
    "products",
    ("product_id", pa.string()),
    ("sequence", pa.int64()),
    ("sku", pa.string()),
    ("title", pa.string()),
    ("category_path", pa.string()),
    ("brand", pa.string()),
    ("currency", pa.string()),
    ("base_price", MONEY),
    ("price", MONEY),
    ("status", pa.string()),
)
PRICES = _silver(
    "prices",
    ("product_id", pa.string()),
    ("sequence", pa.int64()),
    ("currency", pa.string()),
    ("base_price", MONEY),
    ("price", MONEY),
    ("factor", pa.float64()),
    ("reason", pa.string()),
    ("model_version", pa.string()),
)
STOCK = _silver(
    "stock",
    ("sku", pa.string()),
    ("product_id", pa.string()),
    ("warehouse", pa.string()),
    ("sequence", pa.int64()),
    ("available", pa.int64()),
    ("change", pa.int64()),
    ("reason", pa.string()),
)
FRAUD_DECISIONS = _silver(
    "fraud_decisions",
    ("decision_id", pa.string()),
    ("order_id", pa.string()),
    ("user", pa.string()),
    ("action", pa.string()),
    ("composite", pa.float64()),
    ("rules", pa.float64()),
    ("model", pa.float64()),
    ("external", pa.float64()),
    ("model_version", pa.string()),
    ("fallback", pa.string()),
    ("latency_ms", pa.float64()),
    ("features", pa.string()),  # JSON object: the features that the decision was made from
)
RECOMMENDATIONS = _silver(
    "recommendations",
    ("decision_id", pa.string()),
    ("user", pa.string()),
    ("session", pa.string()),
    ("surface", pa.string()),
    ("strategy", pa.string()),
    ("product_ids", pa.list_(pa.string())),
    ("model_version", pa.string()),
    ("fallback", pa.string()),
    ("latency_ms", pa.float64()),
)

SILVER: tuple[Table, ...] = (
    INTERACTIONS, SESSIONS, ORDERS, ORDER_LINES, ORDER_STATUSES, PAYMENTS, PRODUCTS, PRICES, STOCK, FRAUD_DECISIONS,
    RECOMMENDATIONS,
)  # fmt: skip

# Gold: the marts, published from dbt after each run.
GOLD_ORDERS = Table(
    "gold",
    "orders",
    pa.schema(
        [
            ("order_id", pa.string()),
            ("user", pa.string()),
            ("channel", pa.string()),
            ("placed_at", TIME),
            ("placed_date", pa.date32()),
            ("status", pa.string()),  # the latest
            ("is_sale", pa.bool_()),  # counts as revenue: confirmed, processing, shipped or delivered
            ("currency", pa.string()),
            ("total", MONEY),
            ("lines", pa.int64()),
            ("units", pa.int64()),
            ("charged_back_at", TIME),
            ("fraud_action", pa.string()),
        ]
    ),
)
GOLD_PRODUCT_DAYS = Table(
    "gold",
    "product_days",
    pa.schema(
        [
            ("product_id", pa.string()),
            ("day", pa.date32()),
            ("category_path", pa.string()),
            ("price", MONEY),  # in force for most of the day
            ("base_price", MONEY),
            ("is_exploration", pa.bool_()),  # the price was drawn at random
            ("views", pa.int64()),
            ("carts", pa.int64()),
            ("units", pa.int64()),
            ("orders", pa.int64()),
            ("revenue", MONEY),
            ("available", pa.int64()),  # stock at the day's end, all warehouses
        ]
    ),
)
GOLD_PRODUCTS = Table(
    "gold",
    "products",
    pa.schema(
        [
            ("product_id", pa.string()),
            ("sku", pa.string()),
            ("title", pa.string()),
            ("category_path", pa.string()),
            ("brand", pa.string()),
            ("currency", pa.string()),
            ("base_price", MONEY),
            ("price", MONEY),
            ("available", pa.int64()),
            ("views_30d", pa.int64()),
            ("units_30d", pa.int64()),
            ("revenue_30d", MONEY),
        ]
    ),
)
GOLD_CUSTOMERS = Table(
    "gold",
    "customers",
    pa.schema(
        [
            ("user", pa.string()),
            ("first_order_at", TIME),
            ("last_order_at", TIME),
            ("orders", pa.int64()),
            ("spend", MONEY),
            ("average_order_value", pa.float64()),
            ("orders_90d", pa.int64()),
            ("chargebacks", pa.int64()),
            ("as_of", TIME),
        ]
    ),
)
GOLD_DAYS = Table(
    "gold",
    "days",
    pa.schema(
        [
            ("day", pa.date32()),
            ("orders", pa.int64()),
            ("revenue", MONEY),
            ("units", pa.int64()),
            ("visitors", pa.int64()),
            ("sessions", pa.int64()),
            ("buying_sessions", pa.int64()),
            ("views", pa.int64()),
            ("conversion", pa.float64()),  # buying sessions / sessions
            ("average_order_value", pa.float64()),
            ("declined", pa.int64()),
            ("reviewed", pa.int64()),
        ]
    ),
)
# Orders with what is known of them: decision features and the label with the time from which it was known.
GOLD_FRAUD_LABELS = Table(
    "gold",
    "fraud_labels",
    pa.schema(
        [
            ("order_id", pa.string()),
            ("decision_id", pa.string()),
            ("placed_at", TIME),
            ("user", pa.string()),
            ("device", pa.string()),
            ("card", pa.string()),
            ("address", pa.string()),
            ("total", MONEY),
            ("action", pa.string()),
            ("is_sale", pa.bool_()),
            ("features", pa.string()),  # JSON; null where the decision was made without features
            ("charged_back_at", TIME),  # occurred_at of the charge-back, which is also known_at; null: none so far
        ]
    ),
)
GOLD: tuple[Table, ...] = (
    GOLD_ORDERS, GOLD_PRODUCT_DAYS, GOLD_PRODUCTS, GOLD_CUSTOMERS, GOLD_DAYS, GOLD_FRAUD_LABELS,
)  # fmt: skip
