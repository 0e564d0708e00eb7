"""The quote: what the asked products cost now, and from which warehouse they would come."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from lakefront.money import line_total, money_text, rounded
from transactional.inventory.errors import OutOfStock, UnknownProducts
from transactional.orders.checkout import store
from transactional.orders.errors import CartEmpty, MixedCurrencies, PriceChanged, TotalChanged
from transactional.orders.schemas import Item, Purchase
from transactional.platform.authentication import Caller
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import rows
from transactional.promotions import service as promotions
from transactional.promotions.discounts import Coupon, discount_of, shares


@dataclass(frozen=True, slots=True)
class Line:
    """One product of an order, with its one reservation's warehouse."""

    product_id: UUID
    sku: str
    title: str
    category_path: str
    warehouse: str
    quantity: int
    listed_price: Decimal
    """The product's price as it stands in the catalogue; it must still stand there when the order is written."""
    unit_price: Decimal
    discount: Decimal
    """The line's share of the order's discount."""
    total: Decimal
    """What remains after the discount."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Lines sorted by (sku, warehouse), which is the order of the stock's locks. The lines' totals, shipping and tax add
    up to the total."""

    lines: list[Line]
    currency: str
    discount: Decimal
    shipping: Decimal
    tax: Decimal
    total: Decimal
    coupon: Coupon | None

    def charges(self) -> dict[str, str]:
        """The parts of the total, as answers carry them."""
        parts = {
            "subtotal": sum((line.total for line in self.lines), self.discount),
            "discount": self.discount,
            "shipping": self.shipping,
            "tax": self.tax,
        }
        return {name: money_text(amount, self.currency) for name, amount in parts.items()}

    def answer(self) -> dict[str, Any]:
        """The quote as the API answers it."""
        lines = [
            {
                "product_id": str(line.product_id),
                "sku": line.sku,
                "title": line.title,
                "quantity": line.quantity,
                **{
                    name: money_text(getattr(line, name), self.currency) for name in ("unit_price", "discount", "total")
                },
            }
            for line in self.lines
        ]
        total = money_text(self.total, self.currency)
        code = self.coupon.code if self.coupon else None
        return {"currency": self.currency, "items": lines, **self.charges(), "total": total, "coupon_code": code}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: the units of each product, and the unit prices that the client expects."""

    quantities: dict[UUID, int]
    expected: dict[UUID, set[Decimal]]
    cart_id: UUID | None = None
    cart_version: int | None = None


def scope_of(caller: Caller) -> str:
    """Whose idempotency keys and uses of coupons these are: the account's or the guest session's."""
    return f"user:{caller.user_id}" if caller.user_id else f"session:{caller.session}"


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


async def quote(connection: Connection, caller: Caller, asked: Asked, terms: Purchase, now: datetime) -> Quote:
    """What the order costs now. Raises UnknownProducts, MixedCurrencies, PriceChanged, OutOfStock, CouponNotValid,
    TotalChanged."""
    found = await rows(connection, store.QUOTE, {"product_ids": list(asked.quantities)})
    if missing := asked.quantities.keys() - {row["product_id"] for row in found}:
        raise UnknownProducts(missing)
    if len(currencies := {row["currency"] for row in found}) > 1:
        raise MixedCurrencies(currencies)
    currency = found[0]["currency"]
    if any(expected != rounded(row["price"], currency)
           for row in found for expected in asked.expected.get(row["product_id"], ())):  # fmt: skip
        raise PriceChanged([_quoted(row, currency) for row in found])
    short = [row for row in found if (row["available"] or 0) < asked.quantities[row["product_id"]]]
    if short:
        raise OutOfStock(
            (row["product_id"], asked.quantities[row["product_id"]], row["available"] or 0) for row in short
        )
    lines = [_line(row, asked.quantities[row["product_id"]], currency) for row in found]
    lines.sort(key=lambda line: (line.sku, line.warehouse))
    coupon, discount = None, Decimal(0)
    if terms.coupon_code is not None:
        coupon = await promotions.usable(connection, terms.coupon_code, scope_of(caller), now)
        discount = discount_of(coupon, sum((line.total for line in lines), Decimal(0)), currency)
        lines = _discounted(lines, discount, currency)
    quoted = _added_up(lines, currency, discount, coupon)
    if terms.expected_total not in (None, quoted.total):
        raise TotalChanged(quoted.answer())
    return quoted


def _added_up(lines: list[Line], currency: str, discount: Decimal, coupon: Coupon | None) -> Quote:
    shipping = tax = Decimal(0)
    total = sum((line.total for line in lines), shipping + tax)
    return Quote(lines, currency, discount, shipping, tax, total, coupon)


def _discounted(lines: list[Line], discount: Decimal, currency: str) -> list[Line]:
    parts = shares(discount, [line.total for line in lines], currency)
    return [replace(line, discount=part, total=line.total - part) for line, part in zip(lines, parts, strict=True)]


def _line(row: dict[str, Any], quantity: int, currency: str) -> Line:
    unit_price = rounded(row["price"], currency)
    return Line(
        product_id=row["product_id"],
        sku=row["sku"],
        title=row["title"],
        category_path=row["category_path"],
        warehouse=row["warehouse"],
        quantity=quantity,
        listed_price=row["price"],
        unit_price=unit_price,
        discount=Decimal(0),
        total=line_total(unit_price, quantity, currency),
    )


def _quoted(row: dict[str, Any], currency: str) -> dict[str, Any]:
    return {"product_id": str(row["product_id"]), "price": money_text(row["price"], currency), "currency": currency}
