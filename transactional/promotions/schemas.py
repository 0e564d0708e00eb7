"""Requests and answers of the promotions API."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from transactional.platform.amounts import KnownCurrency, RequestedAmount, fits
from transactional.platform.patterns import pattern

CouponCode = Annotated[
    str,
    BeforeValidator(lambda code: code.strip().upper() if isinstance(code, str) else code),
    Field(
        min_length=3,
        max_length=40,
        pattern=pattern(r"^[A-Z0-9][A-Z0-9_-]*$", "a coupon's code: letters, digits, '_' and '-', such as SPRING-10"),
        examples=["SPRING-10"],
    ),
]
"""Codes are compared without regard to case."""

_EXAMPLE: dict[str, Any] = {
    "code": "SPRING-10",
    "kind": "percentage",
    "value": "10",
    "minimum_amount": "50.00",
    "currency": "USD",
    "max_uses": 1000,
    "max_uses_per_customer": 1,
}


class NewCoupon(BaseModel):
    """A coupon: a percentage, or an amount, off the products of an order."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    code: CouponCode
    kind: Literal["percentage", "amount"]
    value: Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=4, description="Percent, or the amount.")]
    currency: KnownCurrency | None = None
    minimum_amount: RequestedAmount | None = None
    starts_at: AwareDatetime | None = Field(None, description="By default, now.")
    ends_at: AwareDatetime | None = None
    max_uses: Annotated[int, Field(ge=1, le=2_000_000_000)] | None = None
    max_uses_per_customer: Annotated[int, Field(ge=1, le=2_000_000_000)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> NewCoupon:
        if self.kind == "percentage" and self.value > 100:
            raise ValueError("a percentage is at most 100")
        amounts = [self.value] if self.kind == "amount" else []
        amounts += [self.minimum_amount] if self.minimum_amount else []
        if amounts and self.currency is None:
            raise ValueError("an amount needs its currency")
        if self.currency and not all(fits(amount, self.currency) for amount in amounts):
            raise ValueError(f"{self.currency} has fewer decimals")
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must be after starts_at")
        return self


class CouponAnswer(BaseModel):
    """A coupon with its terms and how often it is used."""

    coupon_id: UUID
    code: str
    kind: Literal["percentage", "amount"]
    value: str = Field(examples=["10"])
    currency: str | None
    minimum_amount: str | None = Field(examples=["50.00"])
    starts_at: datetime
    ends_at: datetime | None
    max_uses: int | None
    max_uses_per_customer: int | None
    uses: int
    created_at: datetime


class CouponsAnswer(BaseModel):
    items: list[CouponAnswer]
    next_cursor: str | None
