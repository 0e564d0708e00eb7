"""The import of the UCI Online Retail log: catalogue, customers, price history and a year of past orders.

All of it is one transaction, events included: they leave by the outbox with the time at which they occurred. Who imports
the same file again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.errors import UniqueViolation

from lakefront.clock import real_now
from lakefront.ids import new_id
from lakefront.money import money_text
from transactional.accounts.personal import sealed
from transactional.importers import online_retail_rows as rows
from transactional.importers import store
from transactional.importers.countries import country_code, is_known
from transactional.importers.departments import categories, department_of
from transactional.importers.online_retail_log import BadLog, OnlineRetailLog, Tally, fingerprint, open_log
from transactional.importers.online_retail_rows import Customer, PastOrder, Product
from transactional.platform.outbox import Fact, outbox_columns

NAME = "online-retail"
ORDERS_AT_ONCE = 1_000
LEAST_STOCK = 50
"""Afterwards a product has what it sold in the log's last 90 days, at least this."""

Said = Callable[[str], None]


def import_log(path: Path, database_url: str, said: Said = lambda _: None) -> tuple[bool, dict[str, Any]]:
    """Import a log. Returns whether anything changed, and the summary. Raises BadLog, whose message is for people."""
    mark = fingerprint(path)
    with psycopg.connect(database_url, autocommit=True, options="-c timezone=UTC") as connection:
        before = store.previous(connection, NAME)
        if before is None:
            said(f"reading {path.name}")
            with open_log(path) as log:
                summary = _import(connection, log, mark, said)
            if summary is not None:
                return True, summary
            before = store.previous(connection, NAME)  # another import came first, and has ended by now
        if before is None or before[0] != mark:
            raise BadLog(f"another {NAME} log has been imported before; {path.name} is not the same file")
        return False, before[1]


def _import(connection: store.Connection, log: OnlineRetailLog, mark: str, said: Said) -> dict[str, Any] | None:
    """Import in one transaction; None when another import of this source came first."""
    try:
        with connection.transaction():
            if not store.claim(connection, NAME, mark, real_now()):
                return None
            summary = _Import(connection, log, said).run()
            store.finish(connection, NAME, summary)
            return summary
    except UniqueViolation as error:
        detail = error.diag.message_detail
        raise BadLog(f"the shop has some of this already, so nothing was imported: {detail}") from error


class _Import:
    """One import, inside its transaction."""

    def __init__(self, connection: store.Connection, log: OnlineRetailLog, said: Said) -> None:
        self._connection = connection
        self._log = log
        self._said = said
        self._events = 0
        self._products: dict[str, Product] = {}
        self._customers: dict[int, Customer] = {}
        self._unknown_countries: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        """Import everything; returns the summary."""
        self._products = {product.sku: product for product in self._read_products()}
        end = max(product.last_at for product in self._products.values())
        prices = self._add_products(end)
        self._add_stock(end)
        self._said(f"{len(self._products):,} products with {prices:,} prices")
        self._add_customers()
        self._said(f"{len(self._customers):,} customers")
        orders, total = self._add_orders()
        self._said(f"{orders:,} past orders")
        tallies = self._log.tallies()
        taken = next(tally for tally in tallies if tally.reason is None)
        return {
            "taken": {
                **_tally(taken),
                "products": len(self._products),
                "prices": prices,
                "customers": len(self._customers),
                "orders": orders,
                "orders_total": money_text(total, rows.CURRENCY),
                "currency": rows.CURRENCY,
                "events": self._events,
            },
            "unknown_countries": dict(self._unknown_countries.most_common()),
            "left_out": [{"reason": one.reason, **_tally(one)} for one in tallies if one.reason is not None],
            "file": {
                "lines": sum(tally.lines for tally in tallies),
                "amount": str(sum((tally.amount for tally in tallies), Decimal(0))),
            },
        }

    def _copy(self, table: str, columns: tuple[str, ...], values: Any) -> None:
        store.copy(self._connection, table, columns, values)

    def _tell(self, facts: list[Fact]) -> None:
        self._copy("outbox", ("partition", "envelope"), zip(*outbox_columns(facts), strict=True))
        self._events += len(facts)

    def _read_products(self) -> list[Product]:
        found = []
        for sku, title, base_price, first_at, last_at, recent_units in self._log.products():
            product_id = new_id()
            found.append(
                Product(
                    id=product_id,
                    sku=sku,
                    title=(title or sku).capitalize(),
                    category_path=department_of(title or sku).path,
                    base_price=base_price,
                    first_at=rows.utc(first_at),
                    last_at=rows.utc(last_at),
                    stock=max(LEAST_STOCK, int(recent_units or 0)),
                    id_text=str(product_id),
                )
            )
        return found

    def _add_products(self, end: datetime) -> int:
        """Categories, products and their price histories; returns how many prices."""
        store.add_categories(self._connection, [_category_row(path, name) for path, name in categories()])
        ids = store.category_ids(self._connection, [path for path, _ in categories()])
        prices = self._prices(end)
        self._copy(
            "products", rows.PRODUCT_COLUMNS,
            ((p.id, p.sku, p.title, ids[p.category_path], rows.CURRENCY, p.base_price, p.base_price,
              1 + len(prices[p.sku]), p.first_at, end) for p in self._products.values()),
        )  # fmt: skip
        history: list[tuple[Any, ...]] = []
        facts = [rows.listed(product, ids[product.category_path]) for product in self._products.values()]
        for product in self._products.values():
            price_rows, price_facts = rows.priced(product, prices[product.sku])
            history += price_rows
            facts += price_facts
        self._copy("price_history", rows.PRICE_COLUMNS, history)
        self._tell(facts)
        return len(history)

    def _prices(self, end: datetime) -> dict[str, list[tuple[datetime, Decimal]]]:
        """The prices of each product over time. After the log each stands at its base price, ready to trade."""
        prices = {
            sku: [(rows.utc(since), price) for _, since, price in found]
            for sku, found in groupby(self._log.prices(), key=itemgetter(0))
        }
        for sku, found in prices.items():
            base_price = self._products[sku].base_price
            if found[-1][1] != base_price:
                found.append((end, base_price))
        return prices

    def _add_stock(self, end: datetime) -> None:
        products = self._products.values()
        store.add_warehouse(self._connection, rows.WAREHOUSE, "London", "GB")
        self._copy(
            "stock", ("sku", "warehouse", "product_id", "available"),
            ((p.sku, rows.WAREHOUSE, p.id, p.stock) for p in products),
        )  # fmt: skip
        self._copy(
            "stock_ledger", ("sku", "warehouse", "change", "reason", "occurred_at"),
            ((p.sku, rows.WAREHOUSE, p.stock, "import", end) for p in products),
        )  # fmt: skip
        self._tell([rows.stocked(product, end) for product in products])

    def _add_customers(self) -> None:
        for number, first_at, country in self._log.customers():
            customer = Customer(new_id(), uuid4(), number, rows.utc(first_at), country_code(country))
            self._customers[number] = customer
            if not is_known(country):
                self._unknown_countries[country] += 1
        customers = self._customers.values()
        self._copy(
            "users", ("id", "email", "email_index", "name", "country", "created_at"),
            ((one.id, *sealed(one.id, one.email, "").values(), one.country, one.first_at) for one in customers),
        )  # fmt: skip
        self._copy("pseudonyms", ("user_id", "pseudonym"), ((one.id, one.pseudonym) for one in customers))
        self._tell([rows.registered(customer) for customer in customers])

    def _add_orders(self) -> tuple[int, Decimal]:
        """Orders with lines, history and events, some at a time; returns how many and their total."""
        count, total = 0, Decimal(0)
        waiting: list[PastOrder] = []
        for _, lines in groupby(self._log.order_lines(), key=itemgetter(0)):
            found = list(lines)
            waiting.append(rows.past_order(found, self._customers[found[0][2]], self._products))
            count += 1
            total += waiting[-1].total
            if len(waiting) == ORDERS_AT_ONCE:
                self._flush_orders(waiting)
                waiting = []
        self._flush_orders(waiting)
        return count, total

    def _flush_orders(self, orders: list[PastOrder]) -> None:
        self._copy("orders", rows.ORDER_COLUMNS, (order.row for order in orders))
        self._copy("order_lines", rows.LINE_COLUMNS, (line for order in orders for line in order.lines))
        self._copy(
            "order_history", rows.HISTORY_COLUMNS,
            (row for order in orders for row in rows.history_rows(order)),
        )  # fmt: skip
        self._tell([fact for order in orders for fact in order.facts])


def _category_row(path: str, name: str) -> tuple[Any, ...]:
    parent, _, slug = path.rpartition("/")
    return new_id(), parent, slug, name, path


def _tally(tally: Tally) -> dict[str, Any]:
    return {"lines": tally.lines, "amount": str(tally.amount)}
