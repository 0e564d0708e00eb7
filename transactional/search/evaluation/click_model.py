"""Judgments out of a click log by the simplified dynamic Bayesian network (SDBN).

O. Chapelle and Y. Zhang, "A Dynamic Bayesian Network Click Model for Web Search Ranking", WWW 2009, section 5 (the model
without abandonment, gamma = 1, whose estimates are ratios of counts). A shopper looks at a list from the top down to the last
result clicked. Of the views in which a result was looked at:

    attractiveness = share in which it was clicked
    satisfaction   = share of its clicks that were the last of their view
    relevance      = attractiveness × satisfaction

Both shares have a Beta(1, 1) prior, as the paper's section 4 has it: a result seen once is not certain to be perfect. A view
without a click says nothing, since nobody knows how far it was looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

_PRIOR = 1.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A result in a view of a list."""

    view: int
    query: str
    rank: int
    product_id: str
    was_clicked: bool


@dataclass(slots=True)
class _Counts:
    looked_at: int = 0
    clicked: int = 0
    clicked_last: int = 0


def judgments(log: Iterable[Shown]) -> dict[str, dict[str, float]]:
    """Relevance from 0 to 1 by query and product; for products that were looked at. The log is ordered by view and rank."""
    counts: dict[tuple[str, str], _Counts] = defaultdict(_Counts)
    for _, view in groupby(log, key=lambda shown: (shown.view, shown.query)):
        results = list(view)
        last = max((place for place, shown in enumerate(results) if shown.was_clicked), default=None)
        if last is None:
            continue
        for place, shown in enumerate(results[: last + 1]):
            count = counts[shown.query, shown.product_id]
            count.looked_at += 1
            count.clicked += shown.was_clicked
            count.clicked_last += place == last
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (query, product_id), count in counts.items():
        found[query][product_id] = _share(count.clicked, count.looked_at) * _share(count.clicked_last, count.clicked)
    return dict(found)


def _share(part: int, whole: int) -> float:
    return (part + _PRIOR) / (whole + 2 * _PRIOR)
