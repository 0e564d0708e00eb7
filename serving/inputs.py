"""What the core asks and what it is answered: the inputs and outcomes of the online decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from lakefront.contracts.decisions import Fallback

Strategy = Literal["personal", "session", "popular"]
Action = Literal["allow", "review", "decline"]
FeatureValue = float | int | str | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class RecommendationRequest:
    """Whom to recommend to, and where."""

    user: str | None
    """Pseudonym of the shopper, None for a guest."""
    session: str | None
    product_id: str | None
    """Set on a product's own page: what else its viewers like."""
    surface: str
    limit: int
    now: datetime
    """Business time."""
    popular: Sequence[str]
    """The core's own list of popular products, for when nothing better is known."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Products, best first, and how they came about."""

    decision_id: UUID
    product_ids: list[str]
    strategy: Strategy
    model_version: str | None
    features: dict[str, FeatureValue]
    fallback: Fallback | None
    latency_ms: float


@dataclass(frozen=True, slots=True)
class FraudInput:
    """An order that is to be judged. Parties are pseudonyms and keyed hashes; None where the order has none."""

    order_id: str
    user: str | None
    device: str | None
    card: str | None
    address: str | None
    total: float
    currency: str
    units: int
    lines: int
    account_age_days: float | None
    email_domain: str | None
    shipping_country: str | None
    network_country: str | None
    payment_kind: str
    now: datetime
    """Business time."""


@dataclass(frozen=True, slots=True)
class FraudVerdict:
    """What to do with the order, the score of each layer (0 to 1, None without an answer), and why."""

    decision_id: UUID
    action: Action
    composite: float
    rules: float
    model: float | None
    external: float | None
    reasons: list[str]
    features: dict[str, float | None]
    model_version: str | None
    fallback: Fallback | None
    latency_ms: float


@dataclass(frozen=True, slots=True)
class PriceFactor:
    """The price factor that a model proposed for a product."""

    factor: float
    proposal_id: str | None
    model_version: str | None


@dataclass(frozen=True, slots=True)
class PriceFactors:
    """Price factors of those products that have one."""

    factors: dict[str, PriceFactor] = field(default_factory=dict)
    fallback: Fallback | None = None
    latency_ms: float = 0.0
