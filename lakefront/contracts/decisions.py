"""Decisions are events too: what was decided, by which model version, from which features, and how long it took."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from lakefront.contracts.envelope import Amount, EventData

Fallback = Literal["store_late", "store_down", "no_features", "no_model", "stale_features"]


class Decision(EventData):
    """Base of decisions. ``fallback`` says why the model's own answer could not be used, None when it was."""

    key_field: ClassVar = "decision_id"

    decision_id: UUID
    model_version: str | None
    features: dict[str, float | int | str | bool | list[str] | None] = Field(default_factory=dict)
    fallback: Fallback | None
    latency_ms: float


class RecommendationServed(Decision):
    """Products recommended on a surface, best first. Straight to the bus, like clickstream."""

    event_type: ClassVar = "decisions.recommendation.served.v1"

    user: UUID | None
    session: str | None
    surface: str
    strategy: Literal["personal", "session", "popular"]
    product_ids: list[UUID]


class FraudAssessed(Decision):
    """The verdict on an order. Leaves by the outbox, in the transaction that obeys it."""

    event_type: ClassVar = "decisions.fraud.assessed.v1"

    order_id: UUID
    user: UUID | None
    action: Literal["allow", "review", "decline"]
    composite: float
    rules: float
    model: float | None
    external: float | None
    """Each layer from 0 to 1; a layer without an answer is None and gave its weight to the others."""
    reasons: list[str]


class PriceQuoted(Decision):
    """Price of one product as quoted to a shopper. Straight to the bus."""

    event_type: ClassVar = "decisions.price.quoted.v1"

    product_id: UUID
    user: UUID | None
    session: str | None
    currency: str
    base_price: Amount
    factor: float
    price: Amount
