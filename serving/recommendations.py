"""Which products to show: the shopper's ALS vector, moved by what the session just looked at; else what is popular."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from features.definitions import (
    SESSION_RECENT,
    USER_RECENT,
    USER_RECOMMENDATIONS,
    VIEWED,
    Item,
    View,
    interest,
    items_of,
)
from lakefront.contracts.decisions import Fallback
from lakefront.ids import new_id
from models.recommendation.score import RecommendationModel
from serving.inputs import FeatureValue, Recommendation, RecommendationRequest, Strategy
from serving.metrics import count
from serving.models import Loaded, Models
from serving.online_store import MISSING, Lookup, OnlineStore, Stored, StoreUnavailable

_LOGGED_PRODUCTS = 10


@dataclass(frozen=True, slots=True)
class _Known:
    """What the online store says of the shopper."""

    recent: Sequence[Item] = ()
    """What the user and the session lately looked at, without doubles."""
    vector: Sequence[float] | None = None
    best: Sequence[str] = ()
    vector_version: str | None = None
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True)
class _Ranked:
    product_ids: list[str]
    strategy: Strategy
    fallback: Fallback | None


class Recommender:
    """Recommends from the online store and the model in force. Never raises because one of them is missing."""

    def __init__(self, store: OnlineStore, models: Models) -> None:
        self._store = store
        self._models = models

    async def recommend(self, request: RecommendationRequest) -> Recommendation:
        """Products for a shopper, best first."""
        begun = time.perf_counter()
        known = await self._known(request)
        loaded = self._models.recommendation.current
        at = request.now.timestamp()
        weights = interest(known.recent, at)
        ranked = _rank(request, known, weights, loaded)
        latency = (time.perf_counter() - begun) * 1000
        count("recommendation", ranked.strategy, ranked.fallback, latency)
        return Recommendation(
            decision_id=new_id(),
            product_ids=ranked.product_ids,
            strategy=ranked.strategy,
            model_version=loaded.version if loaded else None,
            features=_features(request, known, weights),
            fallback=ranked.fallback,
            latency_ms=round(latency, 3),
        )

    async def _known(self, request: RecommendationRequest) -> _Known:
        """Read the shopper's features in one round trip."""
        lookups = []
        if request.user:
            lookups.append(Lookup(request.user, (USER_RECENT, USER_RECOMMENDATIONS)))
        if request.session:
            lookups.append(Lookup(request.session, (SESSION_RECENT,)))
        try:
            answers = await self._store.read(lookups)
        except StoreUnavailable as error:
            return _Known(fallback=error.fallback)
        views: dict[str, Stored] = {name: stored for answer in answers for name, stored in answer.items()}
        fresh = {
            view.name: _fresh(views, view, request) for view in (USER_RECENT, SESSION_RECENT, USER_RECOMMENDATIONS)
        }
        published = fresh[USER_RECOMMENDATIONS.name]
        is_stale = views.get(USER_RECOMMENDATIONS.name, MISSING).is_stale(USER_RECOMMENDATIONS, request.now)
        items = {
            item.item_id: item for view in (USER_RECENT, SESSION_RECENT) for item in items_of(fresh[view.name], VIEWED)
        }
        return _Known(
            recent=list(items.values()),
            vector=cast("Sequence[float] | None", published.get("vector")),
            best=cast("Sequence[str]", published.get("product_ids") or ()),
            vector_version=cast("str | None", published.get("model_version")),
            fallback="stale_features" if is_stale else None,
        )


def _fresh(
    views: Mapping[str, Stored], view: View, request: RecommendationRequest
) -> Mapping[str, FeatureValue | list[float]]:
    """A view's features, nothing where they are too old."""
    stored = views.get(view.name, MISSING)
    return {} if stored.is_stale(view, request.now) else stored.features


def _rank(
    request: RecommendationRequest,
    known: _Known,
    weights: Mapping[str, float],
    loaded: Loaded[RecommendationModel] | None,
) -> _Ranked:
    """The best strategy for which there is enough: similar products, blended taste, published best items, popular
    ones."""
    seen = set(weights) | ({request.product_id} if request.product_id else set())
    if loaded is None:
        if known.best:
            return _Ranked(_first(known.best, seen, request.limit), "personal", known.fallback or "no_model")
        return _popular(request, seen, loaded, known.fallback or "no_model")
    if request.product_id:
        similar = loaded.model.similar(request.product_id, request.limit + len(seen))
        if similar:
            return _Ranked(_first(similar, seen, request.limit), "session", known.fallback)
    vector = _taste(known, weights, loaded)
    if vector is not None:
        strategy: Strategy = "personal" if request.user else "session"
        return _Ranked(loaded.model.rank(vector, seen, request.limit), strategy, known.fallback)
    if known.best and (known.vector_version or "") <= loaded.version:  # a later one was rolled back
        return _Ranked(_first(known.best, seen, request.limit), "personal", known.fallback)
    return _popular(request, seen, loaded, known.fallback or "no_features")


def _taste(
    known: _Known, weights: Mapping[str, float], loaded: Loaded[RecommendationModel]
) -> NDArray[np.float32] | None:
    """The vector to rank by: the user's published one, when it is of the model in force, moved by the recent products
    (the ALS step of one user); None where nothing is known in this model's space."""
    prior = known.vector if known.vector_version == loaded.version else None
    vector = loaded.model.fold_in(list(weights), list(weights.values()), prior)
    return vector if vector is not None and vector.any() else None


def _popular(
    request: RecommendationRequest,
    seen: set[str],
    loaded: Loaded[RecommendationModel] | None,
    fallback: Fallback,
) -> _Ranked:
    """What most people like: as the model counted it, else as the core did."""
    products = loaded.model.popular(request.limit + len(seen)) if loaded else request.popular
    return _Ranked(_first(products or request.popular, seen, request.limit), "popular", fallback)


def _first(products: Sequence[str], seen: set[str], limit: int) -> list[str]:
    return [product for product in products if product not in seen][:limit]


def _features(request: RecommendationRequest, known: _Known, weights: Mapping[str, float]) -> dict[str, FeatureValue]:
    """What the decision was made from, as it is logged."""
    return {
        "recent_product_ids": list(weights)[:_LOGGED_PRODUCTS],
        "recent_weight": round(sum(weights.values()), 4),
        "has_vector": known.vector is not None,
        "vector_version": known.vector_version,
        "product_id": request.product_id,
    }
