"""The answer of recommendations. The service writes it as bytes; these describe it."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from transactional.catalogue.schemas import RatingAverage, ShownImage

EXAMPLE: dict[str, Any] = {
    "decision_id": "01935a3e-7c1f-7e0a-9a53-2f6d6a0c4b11",
    "items": [
        {
            "product_id": "01935a3e-6b2d-7c44-8f0e-0d5e2c9b7a10",
            "title": "Enamel kettle, 1.5 l",
            "price": "39.90",
            "currency": "USD",
            "has_variants": False,
            "image": None,
            "rating_average": 4.35,
            "rating_count": 31,
        }
    ],
    "metadata": {
        "strategy": "personal",
        "model_version": "20260101T120000-3f2a",
        "fallback": None,
        "latency_ms": 1.7,
    },
}


class ProductCard(BaseModel):
    """What a list shows of a product."""

    product_id: UUID
    title: str
    price: str
    currency: str
    has_variants: bool
    """Shown at the price of its cheapest variant; one must be chosen."""
    image: ShownImage | None
    rating_average: RatingAverage
    rating_count: int


class RecommendationMetadata(BaseModel):
    """How the list came about."""

    strategy: Literal["personal", "session", "popular"]
    model_version: str | None
    fallback: Literal["store_late", "store_down", "no_features", "no_model", "stale_features"] | None
    """Why the model's own answer could not be used; null when it was."""
    latency_ms: float


class RecommendationList(BaseModel):
    """Products, best first. Clicks on them name the decision: `decision_id` and `position` of storefront events."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    decision_id: UUID
    items: list[ProductCard]
    metadata: RecommendationMetadata
