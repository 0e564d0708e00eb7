"""Discounts as plain functions: what a coupon takes off an order, and how lines share it to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from lakefront.money import rounded
from transactional.promotions.errors import CouponNotValid


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon's terms, and how often it is used so far: by everybody and by the customer who asks."""

    id: UUID
    code: str
    kind: Literal["percentage", "amount"]
    value: Decimal
    currency: str | None
    minimum_amount: Decimal | None
    starts_at: datetime
    ends_at: datetime | None
    max_uses: int | None
    max_uses_per_customer: int | None
    uses: int
    uses_of_customer: int

    @classmethod
    def of(cls, row: dict[str, Any]) -> Coupon:
        return cls(**{name: row[name] for name in cls.__slots__})


def check(coupon: Coupon, now: datetime) -> None:
    """Raise CouponNotValid where the coupon cannot be redeemed now by this customer."""
    if coupon.starts_at > now:
        raise CouponNotValid("not_started")
    if coupon.ends_at is not None and coupon.ends_at <= now:
        raise CouponNotValid("ended")
    if coupon.max_uses is not None and coupon.uses >= coupon.max_uses:
        raise CouponNotValid("used_up")
    if coupon.max_uses_per_customer is not None and coupon.uses_of_customer >= coupon.max_uses_per_customer:
        raise CouponNotValid("used_by_customer")


def discount_of(coupon: Coupon, subtotal: Decimal, currency: str) -> Decimal:
    """What the coupon takes off, rounded once, never more than the order. Raises CouponNotValid."""
    if coupon.currency is not None and coupon.currency != currency:
        raise CouponNotValid("currency")
    if coupon.minimum_amount is not None and subtotal < coupon.minimum_amount:
        raise CouponNotValid("below_minimum")
    off = subtotal * coupon.value / 100 if coupon.kind == "percentage" else coupon.value
    return min(rounded(off, currency), subtotal)


def shares(discount: Decimal, totals: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Each line's share of a discount, in proportion to its total.

    The share is the step of the rounded running sum: so the shares add up to the discount exactly, none is negative and
    none exceeds its line.
    """
    subtotal = sum(totals, Decimal(0))
    if not subtotal:
        return [Decimal(0)] * len(totals)
    running, given, found = Decimal(0), Decimal(0), []
    for total in totals:
        running += total
        upto = rounded(discount * running / subtotal, currency)
        found.append(upto - given)
        given = upto
    return found
