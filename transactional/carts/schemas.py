"""Requests and answers of carts."""

from __future__ import annotations

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
    total: str
    available: bool


class Cart(BaseModel):
    """A cart; without a first product it has neither id nor currency."""

    cart_id: UUID | None
    currency: str | None
    total: str
    items: list[CartItem]
