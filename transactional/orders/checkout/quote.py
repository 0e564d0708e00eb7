"""The quote: what the asked products cost now, and from which warehouse they would come."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from lakefront.money import line_total, money_text, rounded
from transactional.inventory.allocation import best
from transactional.inventory.errors import OutOfStock, UnknownProducts
from transactional.orders.checkout import store
from transactional.orders.errors import CartEmpty, MixedCurrencies, PriceChanged
from transactional.orders.schemas import Item
from transactional.platform.authentication import Caller
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import rows


@dataclass(frozen=True, slots=True)
class Line:
    """One product of an order, with its one reservation's warehouse."""

    product_id: UUID
    sku: str
    title: str
    category_path: str
    warehouse: str
    quantity: int
    unit_price: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """Lines sorted by (sku, warehouse), which is the order of the stock's locks."""

    lines: list[Line]
    currency: str
    total: Decimal


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: the units of each product, and the unit prices that the client expects."""

    quantities: dict[UUID, int]
    expected: dict[UUID, set[Decimal]]
    cart_id: UUID | None = None
    cart_version: int | None = None


def asked_items(items: list[Item]) -> Asked:
    """Two lines of one product are one; their units are summed."""
    quantities: dict[UUID, int] = defaultdict(int)
    expected: dict[UUID, set[Decimal]] = defaultdict(set)
    for item in items:
        if item.variant_id not in (None, item.product_id):
            raise Problem(422, "unknown_variant", "There is no such variant", f"{item.product_id} has no variants.")
        quantities[item.product_id] += item.quantity
        if item.price is not None:
            expected[item.product_id].add(item.price)
    return Asked(dict(quantities), dict(expected))


async def asked_cart(connection: Connection, cart_id: UUID, caller: Caller) -> Asked:
    """The content of the caller's cart; its version makes sure that no other request orders it too."""
    owner = {"cart_id": cart_id, "user_id": caller.user_id, "session": caller.session}
    found = await rows(connection, store.CART, owner)
    if not found:
        raise not_found("cart", cart_id)
    quantities: dict[UUID, int] = defaultdict(int)
    for row in found:
        if row["product_id"] is not None:
            quantities[row["product_id"]] += row["quantity"]
    if not quantities:
        raise CartEmpty()
    return Asked(dict(quantities), {}, cart_id, found[0]["version"])


async def quote(connection: Connection, asked: Asked, country: str | None) -> Quote:
    """Prices of now, and the warehouses for an order to a country. Raises UnknownProducts, MixedCurrencies, PriceChanged,
    OutOfStock."""
    found = await rows(connection, store.QUOTE, {"product_ids": list(asked.quantities)})
    for row in found:
        row["warehouse"], row["available"] = best(row["warehouses"], asked.quantities[row["product_id"]], country)
    if missing := asked.quantities.keys() - {row["product_id"] for row in found}:
        raise UnknownProducts(missing)
    if len(currencies := {row["currency"] for row in found}) > 1:
        raise MixedCurrencies(currencies)
    currency = found[0]["currency"]
    if any(expected != rounded(row["price"], currency)
           for row in found for expected in asked.expected.get(row["product_id"], ())):  # fmt: skip
        raise PriceChanged([_quoted(row, currency) for row in found])
    short = [row for row in found if row["available"] < asked.quantities[row["product_id"]]]
    if short:
        raise OutOfStock((row["product_id"], asked.quantities[row["product_id"]], row["available"]) for row in short)
    lines = [_line(row, asked.quantities[row["product_id"]], currency) for row in found]
    lines.sort(key=lambda line: (line.sku, line.warehouse))
    return Quote(lines, currency, sum((line.total for line in lines), Decimal(0)))


def _line(row: dict[str, Any], quantity: int, currency: str) -> Line:
    unit_price = rounded(row["price"], currency)
    return Line(
        product_id=row["product_id"],
        sku=row["sku"],
        title=row["title"],
        category_path=row["category_path"],
        warehouse=row["warehouse"],
        quantity=quantity,
        unit_price=unit_price,
        total=line_total(unit_price, quantity, currency),
    )


def _quoted(row: dict[str, Any], currency: str) -> dict[str, Any]:
    return {"product_id": str(row["product_id"]), "price": money_text(row["price"], currency), "currency": currency}
