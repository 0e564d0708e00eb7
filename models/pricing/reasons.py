"""Why a price is proposed, in figures and in a sentence for a merchandiser."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lakefront.money import money_text


@dataclass(frozen=True)
class Situation:
    """What a proposal for one product starts from."""

    product_id: str
    category: str
    currency: str
    base_price: Decimal
    current: float
    """Today's price over the base price."""
    units_per_day: float
    """At the base price."""
    available: float | None
    """Stock; None: not known."""
    elasticity: float
    elasticity_sd: float
    shop_elasticity: float | None = None
    """Of all categories together; None: not known."""


def reasons(
    situation: Situation, factor: float, units_change: float, margin_change: float, cover_days: float
) -> dict[str, Any]:
    """The figures behind a proposal, JSON-ready, and ``text``."""
    rate = situation.units_per_day * situation.current**situation.elasticity
    cover = None if situation.available is None else situation.available / max(rate, 1e-9)
    price = money_text(situation.base_price * Decimal(str(round(factor, 4))), situation.currency)
    sentences = [_sales(rate), _stock(situation.available, cover, cover_days), _buyers(situation)]
    verb = "Raising" if factor > situation.current else "Lowering"
    change = abs(factor / situation.current - 1)
    sentences.append(
        f"{verb} the price by {change:.0%} to {price} {situation.currency} should sell {abs(units_change):.0%} "
        f"{'more' if units_change > 0 else 'less'} and raise the margin by {margin_change:.0%}."
    )
    return {
        "text": " ".join(sentence for sentence in sentences if sentence),
        "elasticity": round(situation.elasticity, 3),
        "elasticity_low": round(situation.elasticity - 1.64 * situation.elasticity_sd, 3),
        "elasticity_high": round(situation.elasticity + 1.64 * situation.elasticity_sd, 3),
        "units_per_day": round(rate, 3),
        "available": situation.available,
        "days_of_stock": None if cover is None else round(cover, 1),
        "current_factor": round(situation.current, 4),
        "expected_units_change": round(units_change, 4),
        "expected_margin_change": round(margin_change, 4),
    }


def _sales(rate: float) -> str:
    return f"Sells about {rate:.1f} a day." if rate >= 0.95 else f"Sells about {rate * 7:.1f} a week."


def _stock(available: float | None, cover: float | None, cover_days: float) -> str:
    if available is None or cover is None:
        return ""
    if cover > cover_days:
        return f"The stock of {available:.0f} would last {min(cover, 999):.0f} days, which is more than needed."
    if cover < 7:
        return f"The stock of {available:.0f} lasts only {cover:.0f} days."
    return f"The stock of {available:.0f} lasts {cover:.0f} days."


def _buyers(situation: Situation) -> str:
    lost = 1 - 1.1**situation.elasticity
    kind = "weakly" if situation.elasticity > -1 else ("strongly" if situation.elasticity < -2.5 else "noticeably")
    where = situation.category or "this category"
    alike = situation.shop_elasticity is not None and abs(1 - 1.1**situation.shop_elasticity - lost) < 0.005
    # what was learnt from the whole shop is not told as if it had been seen in this category
    who = f"Buyers in {where}, like those of the whole shop, react" if alike else f"Buyers in {where} react"
    return f"{who} {kind} to price: 10% dearer sells about {lost:.0%} less."
