"""A price proposal as the page tells it: which price it is compared with, and which price its reasons speak of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from lakefront.money import money_text

Proposal = dict[str, Any]


def told(proposal: Proposal) -> Proposal:
    """A proposal with ``before``, ``change`` and ``written_at``.

    A pending one is compared with the price that the shop asks now, a decided one with the price that it was made for. Its
    reasons were written with the price that gold had; ``written_at`` is that price where it is another one, else None.
    """
    before = Decimal(proposal["price_now"] if proposal["status"] == "pending" else proposal["current_price"])
    written = _price_of_reasons(proposal)
    return proposal | {
        "before": money_text(before, proposal["currency"]),
        "change": float(Decimal(proposal["proposed_price"]) / before) if before else None,
        "written_at": written if written is not None and Decimal(written) != before else None,
    }


def _price_of_reasons(proposal: Proposal) -> str | None:
    """Today's price as the model saw it; None for a proposal that does not say."""
    factor = proposal["reasons"].get("current_factor")
    if factor is None:
        return None
    price = Decimal(proposal["base_price"]) * Decimal(str(factor))
    # the factor is kept with four decimals, so what is nearer than they tell is the same price
    if abs(price - Decimal(proposal["current_price"])) <= Decimal(proposal["base_price"]) * Decimal("0.0001"):
        return str(proposal["current_price"])
    return money_text(price, proposal["currency"])
