"""Clickstream: what a shopper did, as `POST /api/v1/events` takes it. It goes straight to the bus."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from lakefront.contracts.envelope import EventData

SessionId = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Surface = Literal["home", "category", "search", "product", "cart", "direct"]


class StorefrontEvent(EventData):
    """Base of the clickstream: ordered by session."""

    key_field: ClassVar = "session"

    session: SessionId


class ProductViewed(StorefrontEvent):
    """A product page was opened; from which surface, at which place of which shown list (a decision), if any."""

    event_type: ClassVar = "storefront.product.viewed.v1"

    product_id: UUID
    surface: Surface = "direct"
    decision_id: UUID | None = None
    position: Annotated[int, Field(ge=0, le=1000)] | None = None


class ListViewed(StorefrontEvent):
    """A list of products was shown, in this order."""

    event_type: ClassVar = "storefront.list.viewed.v1"

    surface: Surface
    product_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]
    decision_id: UUID | None = None


class CartItemAdded(StorefrontEvent):
    """A product was put into the cart."""

    event_type: ClassVar = "storefront.cart.added.v1"

    product_id: UUID
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1
    decision_id: UUID | None = None


class CartItemRemoved(StorefrontEvent):
    """A product was taken out of the cart."""

    event_type: ClassVar = "storefront.cart.removed.v1"

    product_id: UUID


class SearchPerformed(StorefrontEvent):
    """A search; the words themselves are kept as typed, cut at 200 characters."""

    event_type: ClassVar = "storefront.search.performed.v1"

    query: Annotated[str, Field(min_length=1, max_length=200)]
    results: Annotated[int, Field(ge=0)] | None = None


class CheckoutStarted(StorefrontEvent):
    """The shopper began to check out."""

    event_type: ClassVar = "storefront.checkout.started.v1"

    cart_value: Annotated[float, Field(ge=0)] | None = None
