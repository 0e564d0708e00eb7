"""Requests and answers of the orders API."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lakefront.contracts.commerce import OrderStatus
from transactional.payments.methods import Method
from transactional.platform.examples import EXAMPLE_PRODUCT_ID

_CARD_NUMBER = re.compile(r"^[0-9 -]{12,23}$")


def no_card_number(token: str) -> str:
    """Payment methods are tokens of the gateway; what looks like a card number never gets in."""
    if _CARD_NUMBER.match(token):
        raise ValueError("send the payment gateway's token, never a card number")
    return token


PaymentMethod = Annotated[
    str,
    Field(min_length=4, max_length=120, pattern=r"^[A-Za-z0-9_ -]+$", examples=["tok_visa"]),
    AfterValidator(no_card_number),
]
PaymentMethodType = Annotated[
    Method | None,
    Field(description="What the token stands for, where the token itself does not say it.", examples=["card"]),
]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class Strict(BaseModel):
    """Refuses unknown fields, so that a misspelt one is told and not ignored."""

    model_config = ConfigDict(extra="forbid")


class Address(Strict):
    street: Text = Field(examples=["123 Main St"])
    city: Text = Field(examples=["Seattle"])
    state: Annotated[str, Field(max_length=100)] = Field("", examples=["WA"])
    zip: Annotated[str, Field(min_length=1, max_length=20)] = Field(examples=["98101"])
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(None, examples=["US"])


class Item(Strict):
    product_id: UUID
    variant_id: UUID | None = None
    quantity: Annotated[int, Field(ge=1, le=1000, examples=[2])]
    price: Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=4)] | None = Field(
        None, description="The unit price that you expect; where it no longer holds, the answer is 409 price_changed."
    )


ORDER_EXAMPLE: dict[str, Any] = {
    "items": [{"product_id": EXAMPLE_PRODUCT_ID, "quantity": 2}],
    "shipping_address": {"street": "123 Main St", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"},
    "payment_method": "tok_visa",
}


class OrderRequest(Strict):
    """An order of the named items, or of a cart."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ORDER_EXAMPLE]})

    items: Annotated[list[Item], Field(min_length=1, max_length=100)] | None = None
    cart_id: UUID | None = None
    shipping_address: Address
    billing_address: Address | None = None
    payment_method: PaymentMethod
    payment_method_type: PaymentMethodType = None

    @model_validator(mode="after")
    def _one_source(self) -> OrderRequest:
        if (self.items is None) == (self.cart_id is None):
            raise ValueError("name either items or a cart_id")
        return self


class OrderItem(BaseModel):
    product_id: UUID
    sku: str
    title: str
    quantity: int
    unit_price: str
    total: str


class FraudAnswer(BaseModel):
    action: str


class OrderAnswer(BaseModel):
    """An order that was taken."""

    order_id: UUID
    status: OrderStatus
    total_amount: str = Field(examples=["59.98"])
    currency: str = Field(examples=["USD"])
    estimated_delivery: datetime | None
    tracking_number: str | None = Field(examples=["LF123456789ABC"])
    payment_id: UUID
    payment_status: str = Field(examples=["authorized"])
    items: list[OrderItem]
    fraud: FraudAnswer | None


class OrderDetail(BaseModel):
    """An order as it stands."""

    order_id: UUID
    status: OrderStatus
    total_amount: str
    currency: str
    placed_at: datetime
    estimated_delivery: datetime | None
    tracking_number: str | None
    payment_id: UUID | None
    payment_status: str | None
    shipping_address: Address | None
    items: list[OrderItem]


class TrackingStep(BaseModel):
    status: OrderStatus
    at: datetime
    reason: str | None = None


class TrackingAnswer(BaseModel):
    order_id: UUID
    status: OrderStatus
    tracking_number: str | None
    estimated_delivery: datetime | None
    history: list[TrackingStep]


class ReviewRequest(Strict):
    """A person's decision on an order that is held for review."""

    accept: bool


class StatusRequest(Strict):
    """A step of the fulfilment."""

    status: Annotated[Literal["processing", "shipped", "delivered"], Field(examples=["shipped"])]


class StatusAnswer(BaseModel):
    order_id: UUID
    status: OrderStatus
    payment_status: str | None
