"""The arithmetic of prices: what a factor makes of a base price, and how far a price may go."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from lakefront.money import decimals, rounded


def price_for(base: Decimal, factor: float, currency: str, limit: float) -> Decimal:
    """The shop's price: base × factor, rounded once, and never by rounding beyond ``limit`` of the base."""
    unit = Decimal(1).scaleb(-decimals(currency))
    lowest, highest = _bounds(base, limit)
    price = rounded(base * Decimal(str(factor)), currency)
    if price > highest:
        price = highest.quantize(unit, rounding=ROUND_FLOOR)
    elif price < lowest:
        price = lowest.quantize(unit, rounding=ROUND_CEILING)
    return price


def within_limit(base: Decimal, price: Decimal, limit: float) -> bool:
    """True when a price differs from its base by no more than ``limit``."""
    lowest, highest = _bounds(base, limit)
    return lowest <= price <= highest


def factor_within_limit(factor: float, limit: float) -> bool:
    """True when a factor keeps within ``limit``; both are decimal numbers as written, not their binary neighbours."""
    return abs(Decimal(str(factor)) - 1) <= Decimal(str(limit))


def change(current: Decimal, proposed: Decimal) -> float:
    """Share by which a price would move; what is not yet priced moves wholly."""
    return float(abs(proposed - current) / current) if current else float(proposed > 0)


def _bounds(base: Decimal, limit: float) -> tuple[Decimal, Decimal]:
    share = Decimal(str(limit))
    return base * (1 - share), base * (1 + share)
