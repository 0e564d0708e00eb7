"""The figures of the merchandisers' page, read from gold.

Each function takes a DuckDB connection that offers the gold tables as views (``lakefront.lake.access.connect``) and
returns plain values, so that a notebook or a test can call it. Amounts stay decimal, and are of one currency each time:
amounts of different currencies are never added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import duckdb

DAYS_SHOWN = 28


@dataclass(frozen=True)
class Day:
    """One business day of the shop. Orders and what they are worth are those of one currency; visitors buy in any."""

    day: date
    orders: int
    revenue: Decimal
    units: int
    visitors: int
    sessions: int
    conversion: float | None
    """Buying sessions / sessions, 0 to 1."""
    average_order_value: float | None
    declined: int
    reviewed: int


@dataclass(frozen=True)
class ProductFigures:
    """A product's last 30 days."""

    product_id: str
    title: str
    category_path: str
    price: Decimal
    available: int | None
    views: int
    units: int
    revenue: Decimal


@dataclass(frozen=True)
class CategoryFigures:
    """A department's last 30 days."""

    category: str
    units: int
    revenue: Decimal


def currencies(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The currencies that orders are in, first the one that most orders of the days shown are in."""
    rows = connection.execute(
        """
        SELECT currency FROM gold_orders GROUP BY currency
        ORDER BY count(*) FILTER (WHERE placed_date > (SELECT max(placed_date) FROM gold_orders) - ?::int) DESC,
                 count(*) DESC, currency
        """,
        [DAYS_SHOWN],
    ).fetchall()
    return [str(currency) for (currency,) in rows]


def taken_at(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """The business time up to which gold's figures reach; None before there is an order of a known customer."""
    row = connection.execute("SELECT max(as_of) FROM gold_customers").fetchone()
    return row[0] if row else None


def days(connection: duckdb.DuckDBPyConnection, currency: str, limit: int = DAYS_SHOWN) -> list[Day]:
    """The latest days of trade, oldest first."""
    rows = connection.execute(
        """
        WITH ordered AS (
            SELECT placed_date AS day, count(*) AS orders, sum(total) FILTER (WHERE is_sale) AS revenue,
                   sum(units) FILTER (WHERE is_sale)::bigint AS units,
                   avg(total) FILTER (WHERE is_sale)::double AS average_order_value,
                   count(*) FILTER (WHERE fraud_action = 'decline') AS declined,
                   count(*) FILTER (WHERE fraud_action = 'review') AS reviewed
              FROM gold_orders WHERE currency = ? GROUP BY placed_date
        )
        SELECT day, coalesce(ordered.orders, 0), coalesce(ordered.revenue, 0), coalesce(ordered.units, 0), visitors, sessions,
               conversion, ordered.average_order_value, coalesce(ordered.declined, 0), coalesce(ordered.reviewed, 0)
          FROM gold_days LEFT JOIN ordered USING (day) ORDER BY day DESC LIMIT ?
        """,
        [currency, limit],
    ).fetchall()
    return [Day(*row) for row in reversed(rows)]


def best_sellers(connection: duckdb.DuckDBPyConnection, currency: str, limit: int = 10) -> list[ProductFigures]:
    """Products with the greatest revenue of the last 30 days."""
    rows = connection.execute(
        """
        SELECT product_id, title, category_path, price, available, views_30d, units_30d, revenue_30d
          FROM gold_products WHERE revenue_30d > 0 AND currency = ? ORDER BY revenue_30d DESC, product_id LIMIT ?
        """,
        [currency, limit],
    ).fetchall()
    return [ProductFigures(*row) for row in rows]


def departments(connection: duckdb.DuckDBPyConnection, currency: str, limit: int = 12) -> list[CategoryFigures]:
    """Revenue of the last 30 days by department (the root of the category's path)."""
    rows = connection.execute(
        """
        SELECT split_part(category_path, '/', 1) AS category, sum(units_30d)::bigint, sum(revenue_30d) AS revenue
          FROM gold_products WHERE currency = ?
         GROUP BY category HAVING sum(revenue_30d) > 0 ORDER BY revenue DESC, category LIMIT ?
        """,
        [currency, limit],
    ).fetchall()
    return [CategoryFigures(*row) for row in rows]
