"""Figures of a ranking against graded judgments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

DEPTH = 10


def ndcg(ranking: Sequence[str], grades: Mapping[str, float], depth: int = DEPTH) -> float:
    """Normalised discounted cumulative gain; what was never judged gains nothing. 0 where no product has a gain."""
    ideal = _gain(sorted(grades.values(), reverse=True)[:depth])
    return _gain([grades.get(product_id, 0.0) for product_id in ranking[:depth]]) / ideal if ideal else 0.0


def reciprocal_rank(ranking: Sequence[str], relevant: set[str]) -> float:
    """1 / the place of the first relevant product; 0 where there is none."""
    return next((1 / place for place, product_id in enumerate(ranking, start=1) if product_id in relevant), 0.0)


def _gain(grades: Sequence[float]) -> float:
    return math.fsum(grade / math.log2(place + 1) for place, grade in enumerate(grades, start=1))
