"""Requests and answers of the pricing API."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from transactional.platform.amounts import RequestedAmount

Factor = Annotated[float, Field(gt=0, lt=10, allow_inf_nan=False, examples=[1.05])]
ProposalStatus = Literal["pending", "approved", "rejected", "superseded"]


class Strict(BaseModel):
    """Refuses unknown fields, so that a misspelt one is told and not ignored."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class QuoteItem(BaseModel):
    product_id: UUID
    base_price: str = Field(examples=["10.00"])
    factor: float = Field(examples=[1.05])
    price: str = Field(examples=["10.50"])
    currency: str = Field(examples=["USD"])


class QuoteMetadata(BaseModel):
    """How the prices were decided; ``fallback`` says why the published policy could not be asked."""

    decisions: list[UUID]
    model_versions: list[str]
    fallback: str | None
    latency_ms: float

    model_config = ConfigDict(protected_namespaces=())


class QuotesAnswer(BaseModel):
    items: list[QuoteItem]
    metadata: QuoteMetadata


class PriceChange(Strict):
    """A new price, or the factor that the base price is multiplied with. With another base price alone, that is charged."""

    product_id: UUID
    base_price: RequestedAmount | None = Field(None, description="The list price from now on.")
    price: Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=4)] | None = None
    factor: Factor | None = None
    reason: Literal["demand", "exploration", "manual"] = "manual"

    @model_validator(mode="after")
    def _one_way(self) -> PriceChange:
        if self.price is not None and self.factor is not None:
            raise ValueError("name either a price or a factor")
        if self.price is None and self.factor is None and self.base_price is None:
            raise ValueError("name a price, a factor or a base price")
        return self


class ChangesRequest(Strict):
    changes: Annotated[list[PriceChange], Field(min_length=1, max_length=500)]


class CurrencyPrice(Strict):
    """A product's price in a currency that is not its own."""

    price: RequestedAmount


class CurrencyPriceAnswer(BaseModel):
    product_id: UUID
    currency: str = Field(examples=["JPY"])
    price: str = Field(examples=["1500"])


class ChangedPrice(BaseModel):
    product_id: UUID
    price: str
    factor: float
    currency: str


class ChangesAnswer(BaseModel):
    items: list[ChangedPrice]


class NewProposal(Strict):
    """A price factor with the reasons for it; ``text`` among them is a sentence for people."""

    product_id: UUID
    factor: Factor
    reasons: dict[str, Any] = Field(default_factory=dict, examples=[{"elasticity": -1.8, "text": "Demand is elastic."}])


class ProposalsRequest(Strict):
    model_version: Annotated[str, Field(min_length=1, max_length=100)]
    proposals: Annotated[list[NewProposal], Field(min_length=1, max_length=2000)]


class AddedProposal(BaseModel):
    proposal_id: UUID
    product_id: UUID
    status: ProposalStatus
    factor: float
    proposed_price: str


class ProposalsAdded(BaseModel):
    items: list[AddedProposal]


class ProposalAnswer(BaseModel):
    proposal_id: UUID
    product_id: UUID
    sku: str
    title: str
    currency: str
    base_price: str
    price_now: str
    factor: float
    current_price: str
    proposed_price: str
    reasons: dict[str, Any]
    model_version: str
    status: ProposalStatus
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None

    model_config = ConfigDict(protected_namespaces=())


class ProposalsAnswer(BaseModel):
    items: list[ProposalAnswer]
    next_cursor: str | None


class DecisionAnswer(BaseModel):
    proposal_id: UUID
    product_id: UUID
    status: ProposalStatus
    price: str | None = None
    currency: str | None = None


class PriceHistoryItem(BaseModel):
    valid_from: datetime
    base_price: str
    price: str
    factor: float
    reason: str
    proposal_id: UUID | None
    actor: str


class PriceHistoryAnswer(BaseModel):
    items: list[PriceHistoryItem]
    next_cursor: str | None
