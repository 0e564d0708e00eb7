"""The figures of the merchandisers' page, read from gold.

Each function takes a DuckDB connection that offers the gold tables as views (``lakefront.lake.access.connect``) and
returns plain values, so that a notebook or a test can call it. Amounts stay decimal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import duckdb

DAYS_SHOWN = 28


@dataclass(frozen=True)
class Day:
    """One business day of the shop."""

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


def days(connection: duckdb.DuckDBPyConnection, limit: int = DAYS_SHOWN) -> list[Day]:
    """The latest days of trade, oldest first."""
    rows = connection.execute(
        """
        SELECT day, orders, revenue, units, visitors, sessions, conversion, average_order_value, declined, reviewed
        FROM gold_days ORDER BY day DESC LIMIT ?
        """,
        [limit],
    ).fetchall()
    return [Day(*row) for row in reversed(rows)]


def best_sellers(connection: duckdb.DuckDBPyConnection, limit: int = 10) -> list[ProductFigures]:
    """Products with the greatest revenue of the last 30 days."""
    rows = connection.execute(
        """
        SELECT product_id, title, category_path, price, available, views_30d, units_30d, revenue_30d
        FROM gold_products WHERE revenue_30d > 0 ORDER BY revenue_30d DESC, product_id LIMIT ?
        """,
        [limit],
    ).fetchall()
    return [ProductFigures(*row) for row in rows]


def departments(connection: duckdb.DuckDBPyConnection, limit: int = 12) -> list[CategoryFigures]:
    """Revenue of the last 30 days by department (the root of the category's path)."""
    rows = connection.execute(
        """
        SELECT split_part(category_path, '/', 1) AS category, sum(units_30d)::bigint, sum(revenue_30d) AS revenue
        FROM gold_products GROUP BY category HAVING sum(revenue_30d) > 0 ORDER BY revenue DESC, category LIMIT ?
        """,
        [limit],
    ).fetchall()
    return [CategoryFigures(*row) for row in rows]


def currency(connection: duckdb.DuckDBPyConnection) -> str:
    """The currency that most orders are in; figures in several currencies are not added up by this page."""
    row = connection.execute(
        "SELECT currency FROM gold_orders GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1"
    ).fetchone()
    return str(row[0]) if row else "USD"
