"""The sum of an order as plain data: its lines and what is charged besides them always add up to its total."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from lakefront.clock import iso
from lakefront.money import money_text
from transactional.orders.checkout.shipping import ShippingOption
from transactional.promotions.discounts import Coupon
from transactional.stored_value.draws import Draw
from transactional.tariffs.taxes import Tax


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


@dataclass(frozen=True)
class Quote:
    """Lines sorted by (sku, warehouse), which is the order of the stock's locks.

    subtotal - discount + shipping + tax + duties = total; total - stored value = amount due. Tax that is part of the
    prices is told beside them.
    """

    lines: list[Line]
    currency: str
    discount: Decimal
    option: ShippingOption
    taxes: Tax
    duties: Decimal
    coupon: Coupon | None
    draws: list[Draw] = field(default_factory=list)
    listed: tuple[Decimal, str] | None = None
    """The total in the products' own currency, where that is another one: what risk is judged by."""

    @property
    def goods(self) -> Decimal:
        """The lines after the discount."""
        return sum((line.total for line in self.lines), Decimal(0))

    @property
    def subtotal(self) -> Decimal:
        """The lines before the discount."""
        return self.goods + self.discount

    @property
    def shipping(self) -> Decimal:
        return self.option.cost

    @property
    def tax(self) -> Decimal:
        return self.taxes.added

    @cached_property
    def total(self) -> Decimal:
        return self.goods + self.shipping + self.tax + self.duties

    @property
    def stored_value(self) -> Decimal:
        """What gift cards and store credit pay of the total."""
        return sum((one.amount for one in self.draws), Decimal(0))

    @property
    def due(self) -> Decimal:
        """What the payment method is asked for."""
        return self.total - self.stored_value

    @property
    def warehouses(self) -> list[str]:
        return [line.warehouse for line in self.lines]

    def charges(self) -> dict[str, str]:
        """The parts of the total, as answers carry them."""
        parts = {
            "subtotal": self.subtotal,
            "discount": self.discount,
            "shipping": self.shipping,
            "tax": self.tax,
            "duties": self.duties,
            "tax_included": self.taxes.included,
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
        return {
            "currency": self.currency,
            "items": lines,
            **self.charges(),
            "total": money_text(self.total, self.currency),
            "stored_value": [one.answer(self.currency) for one in self.draws],
            "amount_due": money_text(self.due, self.currency),
            "coupon_code": self.coupon.code if self.coupon else None,
            "shipping_method": self.option.code,
            "estimated_delivery": iso(self.option.estimated_delivery),
        }
