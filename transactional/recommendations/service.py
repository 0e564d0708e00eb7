"""Recommends: asks serving/ for products, drops what cannot be shown, renders the cards and logs what was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import orjson

from serving.decisions import Recommendation, RecommendationRequest
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.errors import not_found
from transactional.recommendations.cards import Card, cards, popular
from transactional.recommendations.events import served

SPARE = 10
"""Asked for beyond the limit, since some may be sold out or withdrawn meanwhile."""


async def recommend(core: Core, caller: Caller, limit: int, surface: str, product_id: UUID | None) -> bytes:
    """The answer as JSON. Raises Problem 404 for a product that is not on offer."""
    now = core.clock.now()
    known = await popular.of(core.db)
    chosen = await core.decisions.recommend(
        RecommendationRequest(
            user=str(caller.user) if caller.user else None,
            session=caller.session,
            product_id=str(product_id) if product_id else None,
            surface=surface,
            limit=limit + SPARE,
            now=now,
            popular=known,
        )
    )
    # Popular products fill up what the choice cannot: a small catalogue, much seen, much sold out.
    candidates = [*chosen.product_ids, *(product for product in known if product not in set(chosen.product_ids))]
    candidates = [product for product in candidates if product != str(product_id)][: limit + 2 * SPARE]
    asked = [*candidates, str(product_id)] if product_id else candidates
    found = await cards.of(core.db, asked)
    if product_id is not None and found[str(product_id)].body is None:
        raise not_found("product", product_id)
    here = found[str(product_id)].product_id if product_id else None
    shown = [product for product in showable(candidates, found) if product != here][:limit]
    core.log_decision(served(caller, surface, chosen, shown), now)
    bodies = {card.product_id: card.body for card in found.values()}
    return _answer(chosen, [bodies[product] for product in shown])


def showable(candidates: Sequence[str], found: Mapping[str, Card]) -> list[str]:
    """Products on offer in their order, each once, but those that are sold out last."""
    there = {found[product].product_id: found[product] for product in candidates if found[product].body is not None}
    return [
        *(product for product, card in there.items() if card.is_in_stock),
        *(product for product, card in there.items() if not card.is_in_stock),
    ]


def _answer(chosen: Recommendation, bodies: Sequence[bytes | None]) -> bytes:
    return orjson.dumps(
        {
            "decision_id": chosen.decision_id,
            "items": [orjson.Fragment(body) for body in bodies if body is not None],
            "metadata": {
                "strategy": chosen.strategy,
                "model_version": chosen.model_version,
                "fallback": chosen.fallback,
                "latency_ms": chosen.latency_ms,
            },
        }
    )
