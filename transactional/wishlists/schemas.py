"""Requests and answers of wishlists."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from transactional.carts.schemas import Quantity
from transactional.platform.patterns import TEXT

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=TEXT, examples=["Birthday"])]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewWishlist(_Request):
    """A list. Who has the link of a shared one sees it, and not whose it is."""

    name: Name
    shared: bool = False
    is_default: bool = False


class WishlistChange(_Request):
    """What is left out stays as it is. A list that is shared anew gets a new link; the one before leads nowhere."""

    name: Name | None = None
    shared: bool | None = None
    is_default: Annotated[
        bool | None,
        Field(description="True: things are put here from now on. Another list takes it over the same way."),
    ] = None


class NewWish(_Request):
    """What to put on the list: a product, or one of its variants."""

    product_id: UUID
    variant_id: UUID | None = Field(None, description="Where the product has variants: which of them.", examples=[None])


class WishToCart(_Request):
    """How many to put into the cart, and which variant where the wish names none."""

    quantity: Quantity = 1
    variant_id: UUID | None = Field(None, description="Where the wish is for a product with variants.", examples=[None])


class Wish(BaseModel):
    """A product on the list, with its price and stock of now."""

    item_id: UUID
    product_id: UUID
    variant_id: UUID | None
    sku: str
    title: str
    options: dict[str, str]
    has_variants: bool
    """Whether a variant is still to be chosen."""
    currency: str
    price: str
    price_when_added: str
    price_change: str = Field(examples=["-1.00"])
    """What it costs now, less what it cost when it was put here."""
    for_sale: bool
    available: bool
    available_quantity: int
    """Of all warehouses; of all variants, where one is still to be chosen."""
    added_at: datetime


class WishlistHead(BaseModel):
    """A list without what is on it."""

    wishlist_id: UUID
    name: str
    is_default: bool
    share_token: str | None
    """Anybody sees the list at `/api/v1/wishlists/{share_token}`; null: it is private."""
    items_count: int
    created_at: datetime


class Wishlists(BaseModel):
    """The account's lists."""

    items: list[WishlistHead]


class Wishlist(WishlistHead):
    """A list, what was put there last first."""

    items: list[Wish]


class SharedWishlist(BaseModel):
    """A list as whoever has its link sees it."""

    name: str
    items: list[Wish]
