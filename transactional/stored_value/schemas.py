"""Requests and answers of gift cards and store credit."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from transactional.platform.amounts import KnownCurrency, fits
from transactional.stored_value.draws import CODE_LENGTH, read_code


def _whole(text: str) -> str:
    code = read_code(text)
    if len(code) != CODE_LENGTH:
        raise ValueError(f"a gift card's code has {CODE_LENGTH} characters")
    return code


GiftCardCode = Annotated[
    str, Field(min_length=CODE_LENGTH, max_length=40, examples=["7H3K-9QWE-R2TY-4MZP"]), AfterValidator(_whole)
]
IssuedAmount = Annotated[
    Decimal, Field(gt=0, le=Decimal("99999999"), max_digits=18, decimal_places=4, examples=["50.00"])
]


class Issue(BaseModel):
    """An amount to issue."""

    model_config = ConfigDict(extra="forbid")

    amount: IssuedAmount
    currency: KnownCurrency

    @model_validator(mode="after")
    def _payable(self) -> Issue:
        if not fits(self.amount, self.currency):
            raise ValueError(f"{self.currency} has fewer decimals")
        return self


class NewGiftCard(Issue):
    """A gift card."""

    expires_at: AwareDatetime | None = None


class NewStoreCredit(Issue):
    """Credit for an account; it joins what the account has in the currency."""

    user_id: UUID


class GiftCardAnswer(BaseModel):
    gift_card_id: UUID
    code_end: str = Field(examples=["4MZP"])
    currency: str
    available: str = Field(examples=["50.00"])
    held: str = Field(examples=["0.00"], description="By orders that are not confirmed yet.")
    expires_at: datetime | None
    ended_at: datetime | None
    created_at: datetime


class IssuedGiftCard(GiftCardAnswer):
    """A new gift card; its code is told here only."""

    code: str = Field(examples=["7H3K-9QWE-R2TY-4MZP"])


class Posting(BaseModel):
    """An amount that moved out of one pot into another."""

    debit: Literal["issued", "available", "held", "spent"]
    credit: Literal["issued", "available", "held", "spent"]
    amount: str
    order_id: UUID | None
    actor: str | None
    occurred_at: datetime


class GiftCardDetail(GiftCardAnswer):
    ledger: list[Posting]


class BalanceRequest(BaseModel):
    """The code stands in the body, so that no log holds it."""

    model_config = ConfigDict(extra="forbid")

    code: GiftCardCode


class BalanceAnswer(BaseModel):
    code_end: str
    currency: str
    available: str
    expires_at: datetime | None


class StoreCreditAnswer(BaseModel):
    currency: str
    available: str
    held: str


class StoreCreditsAnswer(BaseModel):
    items: list[StoreCreditAnswer]
