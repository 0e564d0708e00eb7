"""What one product, customer or order of the log becomes: rows of the core's tables and the facts that tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from lakefront.contracts.commerce import (
    OrderPlaced,
    OrderStatusChanged,
    PriceChanged,
    ProductListed,
    StockChanged,
    UserRegistered,
)
from lakefront.ids import new_id
from lakefront.money import line_total
from transactional.importers.countries import country_code
from transactional.orders.history import PERSONAL
from transactional.platform.outbox import Fact

SOURCE = "transactional.importers"
CURRENCY = "GBP"
WAREHOUSE = "london"
MAIL_DOMAIN = "online-retail.example"
DAY_SECONDS = 86_400

PRODUCT_COLUMNS = (
    "id", "sku", "title", "category_id", "currency", "base_price", "price", "version", "created_at", "updated_at",
)  # fmt: skip
PRICE_COLUMNS = ("product_id", "valid_from", "version", "base_price", "price", "factor", "reason", "actor")
ORDER_COLUMNS = (
    "id", "user_id", "channel", "external_reference", "status", "currency", "total", "shipping_address", "version",
    "placed_at", "updated_at",
)  # fmt: skip
LINE_COLUMNS = ("order_id", "line_number", "product_id", "sku", "title", "quantity", "unit_price", "total")
HISTORY_COLUMNS = ("order_id", "sequence", "fact", "data", "changes", "occurred_at")


@lru_cache(maxsize=100_000)
def _line_total(price: Decimal, quantity: int) -> Decimal:
    return line_total(price, quantity, CURRENCY)


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the log; ``base_price`` is what most of its lines paid, ``stock`` what it trades on afterwards."""

    id: UUID
    sku: str
    title: str
    category_path: str
    base_price: Decimal
    first_at: datetime
    last_at: datetime
    stock: int
    id_text: str
    """The id as COPY takes it, for the many lines that name it."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer of the log: an account that nobody can log in to."""

    id: UUID
    pseudonym: UUID
    number: int
    first_at: datetime
    country: str | None

    @property
    def email(self) -> str:
        return f"customer-{self.number}@{MAIL_DOMAIN}"


@dataclass(frozen=True, slots=True)
class PastOrder:
    """Rows of an order and its lines, in the order of the columns above, and its two facts: placed, delivered."""

    row: tuple[Any, ...]
    lines: list[tuple[Any, ...]]
    facts: tuple[Fact, Fact]
    total: Decimal


def utc(moment: datetime) -> datetime:
    """The log's times carry no zone; they are taken as UTC."""
    return moment.replace(tzinfo=UTC)


def listed(product: Product, category_id: UUID) -> Fact:
    data = ProductListed(
        product_id=product.id,
        sku=product.sku,
        title=product.title,
        category_id=category_id,
        category_path=product.category_path,
        currency=CURRENCY,
        base_price=product.base_price,
        price=product.base_price,
        status="active",
    )
    return Fact(data, 1, product.first_at, SOURCE)


def priced(product: Product, prices: Sequence[tuple[datetime, Decimal]]) -> tuple[list[tuple[Any, ...]], list[Fact]]:
    """Price history and facts of a product. Version 1 is its listing, so the first price is version 2."""
    rows, facts = [], []
    previous = None
    for version, (since, price) in enumerate(prices, 2):
        factor = round(float(price / product.base_price), 6)
        rows.append((product.id, since, version, product.base_price, price, factor, "import", "import"))
        data = PriceChanged(
            product_id=product.id,
            currency=CURRENCY,
            base_price=product.base_price,
            previous_price=previous,
            price=price,
            factor=factor,
            reason="import",
        )
        facts.append(Fact(data, version, since, SOURCE))
        previous = price
    return rows, facts


def stocked(product: Product, moment: datetime) -> Fact:
    data = StockChanged(
        stock_key=f"{product.sku}:{WAREHOUSE}",
        sku=product.sku,
        product_id=product.id,
        warehouse=WAREHOUSE,
        available=product.stock,
        change=product.stock,
        reason="import",
    )
    return Fact(data, 1, moment, SOURCE)


def registered(customer: Customer) -> Fact:
    data = UserRegistered(user=customer.pseudonym, email_domain=MAIL_DOMAIN, country=customer.country)
    return Fact(data, 1, customer.first_at, SOURCE, {"user": str(customer.pseudonym)})


def past_order(lines: Sequence[tuple[Any, ...]], customer: Customer, products: Mapping[str, Product]) -> PastOrder:
    """An order of the log from its lines (invoice, time, customer, country, sku, quantity, price), delivered at once:
    the log knows no other time. Each line's total is rounded here, once, and the order's total is their sum."""
    invoice, moment, _, country_name, *_ = lines[0]
    order_id, placed_at, country = new_id(), utc(moment), country_code(country_name)
    order_text = str(order_id)
    rows: list[tuple[Any, ...]] = []
    told: list[dict[str, Any]] = []
    for line_number, (_, _, _, _, sku, quantity, price) in enumerate(lines, 1):
        product = products[sku]
        total = _line_total(price, quantity)
        rows.append((order_text, line_number, product.id_text, sku, product.title, quantity, price, total))
        told.append(
            {"product_id": product.id, "sku": sku, "category_path": product.category_path, "quantity": quantity,
             "unit_price": price, "total": total}
        )  # fmt: skip
    order_total = sum((row[-1] for row in rows), Decimal(0))
    placed = OrderPlaced(
        order_id=order_id,
        user=customer.pseudonym,
        currency=CURRENCY,
        total=order_total,
        lines=told,  # checked with the order in one call: there are hundreds of thousands
        channel="import",
        payment_kind="invoice",
        account_age_days=(placed_at - customer.first_at).total_seconds() / DAY_SECONDS,
        shipping_country=country,
        email_domain=MAIL_DOMAIN,
    )
    delivered = OrderStatusChanged(
        order_id=order_id, user=customer.pseudonym, previous="pending", status="delivered", reason="import"
    )
    metadata = {"user": str(customer.pseudonym)}
    address = None if country is None else f'{{"country": "{country}"}}'
    row = (
        order_id, customer.id, "import", invoice, "delivered", CURRENCY, order_total, address, 2, placed_at, placed_at,
    )  # fmt: skip
    facts = (Fact(placed, 1, placed_at, SOURCE, metadata), Fact(delivered, 2, placed_at, SOURCE, metadata))
    return PastOrder(row, rows, facts, order_total)


def history_rows(order: PastOrder) -> list[tuple[Any, ...]]:
    """The facts of an order as its own history keeps them: placed with its columns and lines, then delivered."""
    columns = dict(zip(ORDER_COLUMNS, order.row, strict=True))
    kept = {name: value for name, value in columns.items() if name not in PERSONAL}
    lines = [dict(zip(LINE_COLUMNS, line, strict=True)) for line in order.lines]
    changes = (
        {"order": kept | {"status": "pending", "version": 1}, "lines": lines},
        {"order": {"status": "delivered"}},
    )
    return [
        (order.row[0], fact.sequence, fact.data.event_type, fact.data.model_dump_json(),
         orjson.dumps(changed, default=str).decode(), fact.occurred_at)
        for fact, changed in zip(order.facts, changes, strict=True)
    ]  # fmt: skip
