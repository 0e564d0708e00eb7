"""The online decisions of a worker, behind one door: what to recommend, whom to trust, what a model would charge.

No decision raises because a model, the online store or an external party is missing: it falls back, says so and
counts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lakefront.artefacts import ModelStore
from lakefront.settings import Settings
from serving.fraud import FraudAssessor
from serving.inputs import (
    FraudInput,
    FraudVerdict,
    PriceFactor,
    PriceFactors,
    Recommendation,
    RecommendationRequest,
)
from serving.models import Models
from serving.online_store import OnlineStore
from serving.pricing import Pricer
from serving.recommendations import Recommender
from serving.reputation import Reputation, SandboxReputation

__all__ = [
    "Decisions", "FraudInput", "FraudVerdict", "PriceFactor", "PriceFactors", "Recommendation", "RecommendationRequest",
]  # fmt: skip


class Decisions:
    """Made once a worker: ``start`` and ``close`` belong in the application's lifespan."""

    def __init__(self, store: OnlineStore, models: Models, reputation: Reputation) -> None:
        self.store = store
        self.models = models
        self._recommender = Recommender(store, models)
        self._assessor = FraudAssessor(store, models, reputation)
        self._pricer = Pricer(store)

    @classmethod
    async def start(cls, settings: Settings) -> Decisions:
        """Begin to follow the models; neither they nor the store need to be there yet."""
        store = OnlineStore(settings.store_url, settings.online_store_deadline_milliseconds)
        models = Models(ModelStore(settings.models_folder))
        models.start()
        return cls(store, models, Reputation(SandboxReputation()))

    async def close(self) -> None:
        await asyncio.to_thread(self.models.stop)
        await self.store.close()

    async def recommend(self, request: RecommendationRequest) -> Recommendation:
        """Products for a shopper, best first."""
        return await self._recommender.recommend(request)

    async def assess_fraud(self, order: FraudInput) -> FraudVerdict:
        """Whether to allow, review or decline an order, and why."""
        return await self._assessor.assess(order)

    async def price_factors(self, product_ids: Sequence[str]) -> PriceFactors:
        """Published price factors of those products that have one."""
        return await self._pricer.factors(product_ids)
