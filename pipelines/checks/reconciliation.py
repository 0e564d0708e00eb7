"""Does the lake hold what the core did? Exact also while the shop trades.

The order of reading makes it so: bronze, then the core (orders and the outbox rows that wait, in one snapshot), then bronze
again. An outbox row goes only when bronze has committed it; so an order that is in the core and does not wait must be in the
second reading, and an order of the first reading must be in the core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from lakefront.contracts.commerce import OrderPlaced
from lakefront.lake.access import connect
from lakefront.lake.tables import EVENTS, GOLD_ORDERS
from lakefront.money import compared_by_currency, money_text
from lakefront.settings import settings

_CORE_ORDERS = """
SELECT id::text, currency, total, status IN ('confirmed', 'processing', 'shipped', 'delivered') FROM orders
"""
_WAITING = "SELECT DISTINCT envelope::jsonb ->> 'key' FROM outbox"
_BRONZE_ORDERS = "SELECT DISTINCT key FROM bronze_events WHERE event_type = ?"
_GOLD_ORDERS = "SELECT order_id, currency, total, is_sale FROM gold_orders"
_DUPLICATES = """
SELECT (SELECT count(*) - count(DISTINCT event_id) FROM bronze_events WHERE stream = 'commerce')
     + (SELECT coalesce(sum(copies - 1), 0)
          FROM (SELECT count(*) AS copies FROM bronze_events GROUP BY stream, "partition", "offset"))
"""
_TOTALS = """
SELECT count(*), count(*) FILTER (WHERE event_type LIKE 'storefront.%') FROM bronze_events
"""


Orders = dict[str, tuple[str, Decimal, bool]]
"""By id: currency, total, and whether it counts as revenue."""


class CoreDatabaseUnreachable(RuntimeError):
    """PostgreSQL did not answer, so nothing can be compared."""


@dataclass(frozen=True)
class Reconciliation:
    """Core, bronze and gold side by side; revenue by currency. ``missing`` and ``unknown`` are order ids, a few of them."""

    orders_core: int
    orders_waiting: int
    orders_bronze: int
    orders_gold: int
    revenue_core: dict[str, str]
    revenue_gold: dict[str, str]
    events_bronze: int
    clicks_bronze: int
    """What shoppers' clients sent: events of the storefront, whoever sent them."""
    duplicates_bronze: int
    missing_in_bronze: list[str] = field(default_factory=list)
    unknown_in_core: list[str] = field(default_factory=list)
    missing_in_gold: list[str] = field(default_factory=list)
    different_in_gold: list[str] = field(default_factory=list)

    @property
    def bronze_holds(self) -> bool:
        return not (self.missing_in_bronze or self.unknown_in_core or self.duplicates_bronze)

    @property
    def gold_holds(self) -> bool:
        """Everything arrived and equal; false also while the newest orders are still on their way to gold."""
        return not (self.missing_in_gold or self.different_in_gold) and self.revenue_core == self.revenue_gold

    def as_dict(self) -> dict[str, Any]:
        revenue = compared_by_currency(self.revenue_core, self.revenue_gold)
        return asdict(self) | revenue | {"bronze_holds": self.bronze_holds, "gold_holds": self.gold_holds}


def reconcile(lake_uri: str | None = None) -> Reconciliation:
    """Compare the core's orders with bronze and gold, and count what bronze has twice. Raises CoreDatabaseUnreachable."""
    before = _bronze_orders(lake_uri)
    core, waiting = _core()
    with connect((EVENTS, GOLD_ORDERS), lake_uri) as lake:
        after = {key for (key,) in lake.execute(_BRONZE_ORDERS, [OrderPlaced.event_type]).fetchall()}
        gold = {order: tuple(row) for order, *row in lake.execute(_GOLD_ORDERS).fetchall()}
        duplicates = int(lake.execute(_DUPLICATES).fetchall()[0][0])
        events, clicks = lake.execute(_TOTALS).fetchall()[0]
    settled = core.keys() - waiting
    different = sorted(order for order in settled & gold.keys() if core[order] != gold[order])
    return Reconciliation(
        orders_core=len(core),
        orders_waiting=len(core.keys() & waiting - after),
        orders_bronze=len(after),
        orders_gold=len(gold),
        revenue_core=_revenue(core.values()),
        revenue_gold=_revenue(gold.values()),
        events_bronze=events,
        clicks_bronze=clicks,
        duplicates_bronze=duplicates,
        missing_in_bronze=sorted(settled - after)[:20],
        unknown_in_core=sorted(before - core.keys())[:20],
        missing_in_gold=sorted(settled - gold.keys())[:20],
        different_in_gold=different[:20],
    )


def _bronze_orders(lake_uri: str | None) -> set[str]:
    with connect((EVENTS,), lake_uri) as lake:
        return {key for (key,) in lake.execute(_BRONZE_ORDERS, [OrderPlaced.event_type]).fetchall()}


def _core() -> tuple[Orders, set[str]]:
    """The core's orders and the keys of events that wait in the outbox, in one snapshot."""
    import psycopg

    try:
        with psycopg.connect(settings().database_url, connect_timeout=5) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            orders = {order: tuple(row) for order, *row in connection.execute(_CORE_ORDERS).fetchall()}
            waiting = {key for (key,) in connection.execute(_WAITING).fetchall()}
    except psycopg.OperationalError as error:
        raise CoreDatabaseUnreachable(f"PostgreSQL did not answer: {error}") from error
    return orders, waiting


def _revenue(orders: Iterable[tuple[str, Decimal, bool]]) -> dict[str, str]:
    """Revenue in each currency that a sale was made in."""
    found: dict[str, Decimal] = {}
    for currency, total, is_sale in orders:
        if is_sale:
            found[currency] = found.get(currency, Decimal()) + total
    return {currency: money_text(found[currency], currency) for currency in sorted(found)}
