"""Which price factor the published policy has for a product. What is charged, the core decides: it knows what was
approved."""

from __future__ import annotations

import time
from collections.abc import Sequence

from features.definitions import PRODUCT_PRICE
from serving.inputs import PriceFactor, PriceFactors
from serving.metrics import count
from serving.online_store import Lookup, OnlineStore, StoreUnavailable


class Pricer:
    """Reads published price factors. Never raises because the store is missing."""

    def __init__(self, store: OnlineStore) -> None:
        self._store = store

    async def factors(self, product_ids: Sequence[str]) -> PriceFactors:
        """Factors of those of the products that have one."""
        begun = time.perf_counter()
        fallback = None
        factors: dict[str, PriceFactor] = {}
        try:
            answers = await self._store.read([Lookup(product, (PRODUCT_PRICE,)) for product in product_ids])
        except StoreUnavailable as error:
            fallback = error.fallback
        else:
            for product, views in zip(product_ids, answers, strict=True):
                stored = views[PRODUCT_PRICE.name].features
                if stored.get("factor") is not None:
                    factors[product] = PriceFactor(
                        float(stored["factor"]), stored["proposal_id"] or None, stored["model_version"] or None
                    )
        latency = (time.perf_counter() - begun) * 1000
        count("price", "quoted", fallback, latency)
        return PriceFactors(factors, fallback, round(latency, 3))
