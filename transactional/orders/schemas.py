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
from transactional.platform.amounts import Currency, RequestedAmount
from transactional.platform.examples import EXAMPLE_PRODUCT_ID
from transactional.platform.geography import check_country, check_region
from transactional.platform.patterns import COUNTRY, pattern
from transactional.promotions.schemas import CouponCode
from transactional.stored_value.schemas import GiftCardCode
from transactional.tariffs.delivery import Method as ShippingMethod

_CARD_NUMBER = re.compile(r"^[0-9 -]{12,23}$")


def no_card_number(token: str) -> str:
    """Payment methods are tokens of the gateway; what looks like a card number never gets in."""
    if _CARD_NUMBER.match(token):
        raise ValueError("send the payment gateway's token, never a card number")
    return token


PaymentMethod = Annotated[
    str,
    Field(
        min_length=4,
        max_length=120,
        pattern=pattern(r"^[A-Za-z0-9_ -]+$", "the payment gateway's token, such as tok_visa"),
        examples=["tok_visa"],
    ),
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


def _is_on_the_map(where: Any) -> Any:
    """A country or state that does not exist would be quoted without its taxes and duties."""
    if where.country is None:
        return where
    try:
        check_country(where.country)
    except ValueError as error:
        raise ValueError(f"country: {error}") from None
    check_region(where.country, where.state)
    return where


class Address(Strict):
    street: Text = Field(examples=["123 Main St"])
    city: Text = Field(examples=["Seattle"])
    state: Annotated[str, Field(max_length=100)] = Field("", examples=["WA"])
    zip: Annotated[str, Field(min_length=1, max_length=20)] = Field(examples=["98101"])
    country: Annotated[str, Field(pattern=COUNTRY)] | None = Field(None, examples=["US"])

    _exists = model_validator(mode="after")(_is_on_the_map)


class Item(Strict):
    product_id: UUID
    variant_id: UUID | None = Field(None, description="Where the product has variants: which of them.")
    quantity: Annotated[int, Field(ge=1, le=1000, examples=[2])]
    price: Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=4)] | None = Field(
        None, description="The unit price that you expect; where it no longer holds, the answer is 409 price_changed."
    )


ORDER_EXAMPLE: dict[str, Any] = {
    "items": [{"product_id": EXAMPLE_PRODUCT_ID, "quantity": 2}],
    "shipping_address": {"street": "123 Main St", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"},
    "payment_method": "tok_visa",
}


class Purchase(Strict):
    """What is bought, and on which terms: the part that a quote and an order have in common."""

    items: Annotated[list[Item], Field(min_length=1, max_length=100)] | None = None
    cart_id: UUID | None = None
    currency: Currency | None = Field(
        None, description="To pay in; by default the products' own. Prices are those set for it, else converted."
    )
    shipping_method: ShippingMethod = "standard"
    coupon_code: CouponCode | None = None
    gift_card_codes: Annotated[list[GiftCardCode], Field(max_length=10)] = Field(
        default=[], description="They pay first, in this order, as far as they go."
    )
    use_store_credit: bool = Field(False, description="The account's credit pays what gift cards leave.")
    expected_total: RequestedAmount | None = Field(
        None, description="The total that you expect; where it no longer holds, the answer is 409 total_changed."
    )
    expected_amount_due: RequestedAmount | None = Field(
        None, description="As expected_total: what gift cards and store credit leave to the payment method."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Purchase:
        if (self.items is None) == (self.cart_id is None):
            raise ValueError("name either items or a cart_id")
        return self

    def destination(self) -> tuple[str | None, str]:
        """Country and region to send to, as far as the request says."""
        return None, ""


class OrderRequest(Purchase):
    """An order of the named items, or of a cart."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ORDER_EXAMPLE]})

    shipping_address: Address
    billing_address: Address | None = None
    payment_method: PaymentMethod
    payment_method_type: PaymentMethodType = None

    def destination(self) -> tuple[str | None, str]:
        return self.shipping_address.country, self.shipping_address.state.strip().upper()


class ShipTo(Strict):
    """As much of an address as a quote needs."""

    country: Annotated[str, Field(pattern=COUNTRY, examples=["US"])]
    state: Annotated[str, Field(max_length=100)] = Field("", examples=["WA"])

    _exists = model_validator(mode="after")(_is_on_the_map)


QUOTE_EXAMPLE: dict[str, Any] = {
    "items": [{"product_id": EXAMPLE_PRODUCT_ID, "quantity": 2}],
    "ship_to": {"country": "US", "state": "WA"},
}


class QuoteRequest(Purchase):
    """What an order would cost."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [QUOTE_EXAMPLE]})

    ship_to: ShipTo | None = Field(None, description="By default, the account's country.")

    def destination(self) -> tuple[str | None, str]:
        return (self.ship_to.country, self.ship_to.state.strip().upper()) if self.ship_to else (None, "")


class QuotedLine(BaseModel):
    """A line; ``total`` is what remains after its share of the discount."""

    product_id: UUID
    sku: str
    title: str
    quantity: int
    unit_price: str = Field(examples=["12.50"])
    discount: str = Field(examples=["2.50"])
    total: str = Field(examples=["22.50"])


class ShippingOptionAnswer(BaseModel):
    code: ShippingMethod
    cost: str = Field(examples=["9.90"])
    estimated_delivery: datetime


class DrawAnswer(BaseModel):
    """What a gift card or the store credit pays."""

    kind: Literal["gift_card", "store_credit"]
    code_end: str | None = Field(examples=["4MZP"])
    amount: str = Field(examples=["20.00"])


class QuoteAnswer(BaseModel):
    """What an order costs now: ``subtotal - discount + shipping + tax + duties = total``, to the cent; less what stored
    value pays, it is the amount due."""

    currency: str = Field(examples=["USD"])
    items: list[QuotedLine]
    subtotal: str = Field(examples=["25.00"], description="The lines before any discount.")
    discount: str = Field(examples=["2.50"])
    shipping: str = Field(examples=["0.00"])
    tax: str = Field(examples=["0.00"], description="Added to the prices.")
    duties: str = Field(examples=["0.00"])
    tax_included: str = Field(examples=["0.00"], description="Part of the prices already.")
    total: str = Field(examples=["22.50"])
    stored_value: list[DrawAnswer]
    amount_due: str = Field(examples=["2.50"])
    coupon_code: str | None = Field(examples=["SPRING-10"])
    shipping_method: ShippingMethod
    estimated_delivery: datetime
    shipping_options: list[ShippingOptionAnswer]


class OrderItem(BaseModel):
    product_id: UUID
    sku: str
    title: str
    quantity: int
    unit_price: str
    discount: str | None = Field(None, description="Share of the order's discount, already taken off the total.")
    total: str
    reservation_id: UUID | None = None


class Charges(BaseModel):
    """The parts of the total: ``subtotal - discount + shipping + tax + duties``."""

    subtotal: str = Field(examples=["59.98"])
    discount: str = Field(examples=["0.00"])
    shipping: str = Field(examples=["0.00"])
    tax: str = Field(examples=["0.00"], description="Added to the prices.")
    duties: str = Field("0.00", examples=["0.00"])
    tax_included: str = Field("0.00", examples=["0.00"], description="Part of the prices already.")


class FraudAnswer(BaseModel):
    action: str


class OrderAnswer(BaseModel):
    """An order that was taken."""

    order_id: UUID
    status: OrderStatus
    total_amount: str = Field(examples=["59.98"])
    charges: Charges | None = None
    amount_due: str | None = Field(None, examples=["59.98"], description="After gift cards and store credit.")
    currency: str = Field(examples=["USD"])
    shipping_method: ShippingMethod = "standard"
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
    charges: Charges
    amount_due: str = Field(examples=["59.98"], description="After gift cards and store credit.")
    currency: str
    placed_at: datetime
    shipping_method: ShippingMethod
    estimated_delivery: datetime | None
    tracking_number: str | None
    payment_id: UUID | None
    payment_status: str | None
    shipping_address: Address | None
    billing_address: Address | None
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


class RecordedFact(BaseModel):
    sequence: int
    fact: str = Field(examples=["commerce.order.status_changed.v1"])
    data: dict[str, Any]
    occurred_at: datetime


class PastState(BaseModel):
    """An order's own columns, and its lines', after a fact."""

    sequence: int
    order: dict[str, Any]
    lines: list[dict[str, Any]]


class HistoryAnswer(BaseModel):
    order_id: UUID
    facts: list[RecordedFact]
    state: PastState


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
