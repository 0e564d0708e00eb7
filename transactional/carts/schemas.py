"""Requests and answers of carts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

MOST_UNITS = 1_000
MOST_ITEMS = 100
Quantity = Annotated[int, Field(ge=1, le=MOST_UNITS, strict=True, examples=[1])]


class AddItem(BaseModel):
    """What to put into the cart."""

    model_config = ConfigDict(extra="forbid")

    product_id: UUID
    variant_id: UUID | None = Field(None, description="Where the product has variants: which of them.", examples=[None])
    quantity: Quantity = 1


class ChangeItem(BaseModel):
    """How many of it."""

    model_config = ConfigDict(extra="forbid")

    quantity: Quantity


class CartItem(BaseModel):
    """A product in the cart, at the price in force; what it cost when it was put there stands beside."""

    item_id: UUID
    product_id: UUID
    sku: str
    title: str
    quantity: int
    unit_price: str
    price_when_added: str
    previous_unit_price: str | None = Field(examples=["11.00"])
    """What was shown at the shopper's last look, where it was another price."""
    total: str
    available: bool
    """Whether the whole quantity can be had."""
    available_quantity: int
    """How many can be had: what one warehouse can send, less what others have put into their carts before."""
    previous_available_quantity: int | None
    """What was shown at the shopper's last look, where that makes a difference to the quantity in the cart."""
    held_until: datetime | None
    """Until then others see these units as taken. It is no promise: who pays first has them."""


class Cart(BaseModel):
    """A cart; without a first product it has neither id nor currency. What is saved for later is not ordered."""

    cart_id: UUID | None
    currency: str | None
    total: str
    items: list[CartItem]
    saved_for_later: list[CartItem]
    expires_at: datetime | None
    """When the cart is taken away unless it is changed before; what a member saved for later stays."""
