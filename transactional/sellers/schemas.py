"""Requests and answers of sellers. What SQL renders is described here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from transactional.catalogue.schemas import Seller
from transactional.platform.patterns import LINE

Code = Seller
"""As products carry it."""
DisplayName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=LINE),
    Field(examples=["Norrland AB"]),
]
SellerStatus = Literal["pending", "active", "suspended"]
Version = Annotated[int, Field(ge=0, description="The version that you have seen; where it is another by now: 409.")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewSeller(_Request):
    """An application to sell. Products carry the code, and it never changes."""

    code: Code
    display_name: DisplayName


class SellerChange(_Request):
    """What is to be another."""

    display_name: DisplayName
    version: Version | None = None


class StatusChange(_Request):
    """Approve, suspend or reinstate."""

    status: Literal["active", "suspended"]
    version: Version | None = None


class SellerAccount(BaseModel):
    """A seller as its people and those who manage sellers see it."""

    code: str
    display_name: str
    status: SellerStatus
    created_at: datetime
    version: int


class SellerAccounts(BaseModel):
    """A page of sellers, by code."""

    items: list[SellerAccount]
    next_cursor: str | None


class SellerPerson(BaseModel):
    """An account that acts for a seller."""

    user_id: UUID
    role: str
    """`seller` once the seller was approved."""
    tied_at: datetime


class SellerPeople(BaseModel):
    """All accounts that act for a seller."""

    items: list[SellerPerson]


class ShownSeller(BaseModel):
    """A seller as everybody sees it."""

    code: str
    display_name: str
    products: int
    """That the shop shows."""
    since: datetime
