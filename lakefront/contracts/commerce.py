"""Facts of the core that leave by the outbox: products, prices, accounts, stock, orders and payments."""

from __future__ import annotations

from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from lakefront.contracts.envelope import Amount, EventData


class ProductListed(EventData):
    """A product is new or its description changed. Sequence: the version of the product."""

    event_type: ClassVar = "catalogue.product.listed.v1"
    key_field: ClassVar = "product_id"

    product_id: UUID
    sku: str
    title: str
    category_id: UUID
    category_path: str
    """Slugs from the root, joined by '/': "home/kitchen"."""
    brand: str | None = None
    currency: str
    base_price: Amount
    price: Amount
    status: Literal["active", "inactive", "discontinued"]
    attributes: dict[str, Any] = Field(default_factory=dict)
    parent_id: UUID | None = None
    """The product whose variant this is. What is sold, and named by orders and stock, is the variant."""
    has_variants: bool | None = None
    """Shown, never sold itself, at the price of its cheapest variant, whose price changes tell of it."""
    options: dict[str, str] | None = None
    """What a variant is: {"size": "M"}."""
    tags: list[str] | None = None
    seller: str | None = None
    weight_grams: int | None = None
    images: list[str] | None = None
    """Paths at the shop's address, the first one as lists show it."""


class SellerChanged(EventData):
    """There is a seller, or something about it is another: its status, or what it is called. Sequence: its version."""

    event_type: ClassVar = "catalogue.seller.changed.v1"
    key_field: ClassVar = "seller"

    seller: str
    """Code, as products carry it."""
    status: Literal["pending", "active", "suspended"]
    previous_status: Literal["pending", "active", "suspended"] | None
    """None: it is new."""


class PriceChanged(EventData):
    """The price in the shop changed. Sequence: the version of the product."""

    event_type: ClassVar = "pricing.price.changed.v1"
    key_field: ClassVar = "product_id"

    product_id: UUID
    currency: str
    base_price: Amount
    previous_price: Amount | None
    price: Amount
    factor: float
    """price / base_price as the policy set it."""
    reason: Literal["listing", "demand", "exploration", "proposal", "manual", "import"]
    proposal_id: UUID | None = None
    model_version: str | None = None


class CurrencyPriceChanged(EventData):
    """What a product costs in another currency than its own was set, or is converted again. Sequence: the version of the
    product."""

    event_type: ClassVar = "pricing.currency_price.changed.v1"
    key_field: ClassVar = "product_id"

    product_id: UUID
    currency: str
    price: Amount | None
    """None: the product's own price is converted."""


class UserRegistered(EventData):
    """An account was opened. ``user`` is the pseudonym; the mapping to the person stands in PostgreSQL alone."""

    event_type: ClassVar = "accounts.user.registered.v1"
    key_field: ClassVar = "user"

    user: UUID
    email_domain: str
    country: str | None = None


class StockChanged(EventData):
    """Available stock of a SKU in a warehouse after a change. Sequence: the version of the stock row."""

    event_type: ClassVar = "inventory.stock.changed.v1"
    key_field: ClassVar = "stock_key"

    stock_key: str
    """sku:warehouse"""
    sku: str
    product_id: UUID
    warehouse: str
    available: int
    change: int
    reason: Literal["receipt", "reservation", "release", "correction", "import"]


class ReorderAlertRaised(EventData):
    """Stock of a SKU in a warehouse fell below its reorder level. Sequence: always 1, each fall is an alert of its own."""

    event_type: ClassVar = "inventory.reorder_alert.raised.v1"
    key_field: ClassVar = "alert_id"

    alert_id: UUID
    sku: str
    product_id: UUID
    warehouse: str
    available: int
    """What was left when it fell."""
    reorder_level: int


class OrderLine(BaseModel):
    """A line of an order. ``total`` was rounded once by the core."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    product_id: UUID
    sku: str
    category_path: str
    quantity: int
    unit_price: Amount
    total: Amount
    discount: Amount | None = None
    """The line's share of the order's discount, already taken off ``total``."""


class OrderPlaced(EventData):
    """An order exists: its first commit. Sequence 1 of the order; total and lines never change afterwards."""

    event_type: ClassVar = "commerce.order.placed.v1"
    key_field: ClassVar = "order_id"

    order_id: UUID
    user: UUID | None
    session: str | None = None
    currency: str
    total: Amount
    """What the customer owes: the lines' totals, shipping, tax and duties."""
    lines: list[OrderLine]
    channel: Literal["shop", "import"] = "shop"
    payment_kind: Literal["card", "wallet", "invoice"] = "card"
    account_age_days: float | None = None
    device: str | None = None
    card: str | None = None
    address: str | None = None
    """Keyed hashes of the device, the card token and the network address."""
    shipping_country: str | None = None
    network_country: str | None = None
    email_domain: str | None = None
    discount: Amount | None = None
    shipping: Amount | None = None
    tax: Amount | None = None
    """Added to the prices; what is part of them is ``tax_included``."""
    tax_included: Amount | None = None
    duties: Amount | None = None
    stored_value: Amount | None = None
    """What gift cards and store credit pay of the total."""
    listed_total: Amount | None = None
    """The total in the currency in which the products are listed, where that is another: amounts that are compared."""
    listed_currency: str | None = None
    shipping_method: Literal["standard", "next_day", "same_day"] | None = None


OrderStatus = Literal["pending", "review", "confirmed", "processing", "shipped", "delivered", "cancelled", "failed"]


class OrderStatusChanged(EventData):
    """An order moved to another status. Sequence: the version of the order."""

    event_type: ClassVar = "commerce.order.status_changed.v1"
    key_field: ClassVar = "order_id"

    order_id: UUID
    user: UUID | None
    previous: OrderStatus
    status: OrderStatus
    reason: str | None = None
    """Stable code such as out_of_stock, payment_declined, fraud_declined, review_accepted, customer_request."""


class PaymentChanged(EventData):
    """A payment was authorized, captured, declined, voided or refunded, or charged back by the card's holder."""

    event_type: ClassVar = "payments.payment.changed.v1"
    key_field: ClassVar = "payment_id"

    payment_id: UUID
    order_id: UUID
    user: UUID | None
    status: Literal["pending", "authorized", "captured", "failed", "voided", "refunded", "charged_back"]
    amount: Amount
    currency: str
    gateway: str
    reason: str | None = None
    device: str | None = None
    card: str | None = None
    address: str | None = None
