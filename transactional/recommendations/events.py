"""What recommendations tell the world: the list that was shown, by which model, from which features."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from lakefront.contracts.decisions import RecommendationServed
from serving.decisions import Recommendation
from transactional.platform.authentication import Caller


def served(caller: Caller, surface: str, chosen: Recommendation, shown: Sequence[str]) -> RecommendationServed:
    """The decision with the products that were really shown."""
    return RecommendationServed(
        decision_id=chosen.decision_id,
        model_version=chosen.model_version,
        features=chosen.features,
        fallback=chosen.fallback,
        latency_ms=chosen.latency_ms,
        user=caller.user,
        session=caller.session,
        surface=surface,
        strategy=chosen.strategy,
        product_ids=[UUID(product_id) for product_id in shown],
    )
