"""Amounts as Stripe counts them: whole numbers of a currency's smallest unit, by Stripe's own table.

Stripe keeps two decimals for ISK and UGX although ISO 4217 says none, and takes three-decimal currencies in tens only.
"""

from __future__ import annotations

from decimal import Decimal

from lakefront.money import decimals

_DECIMALS = {"ISK": 2, "UGX": 2}


class AmountNotTaken(ValueError):
    """Stripe does not take this amount of this currency."""


def to_units(amount: Decimal, currency: str) -> int:
    """The amount in Stripe's smallest unit. Raises AmountNotTaken where it would have to be rounded."""
    places = _DECIMALS.get(currency, decimals(currency))
    units = amount.scaleb(places)
    if units != units.to_integral_value() or (places >= 3 and units % 10 != 0):
        raise AmountNotTaken(f"Stripe takes no {amount} {currency}")
    return int(units)
