"""Money in requests: a number or a string, never more decimals than its currency has."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

from lakefront.money import CURRENCIES, decimals
from transactional.platform.patterns import CURRENCY

MOST = Decimal("99999999999999.9999")


def fits(amount: Decimal, currency: str) -> bool:
    """Whether an amount can be paid in its currency: 12.505 USD cannot."""
    exponent = amount.normalize().as_tuple().exponent
    return isinstance(exponent, int) and -exponent <= decimals(currency)


def _finite(amount: Decimal) -> Decimal:
    if not amount.is_finite():
        raise ValueError("must be a finite number")
    return amount


RequestedAmount = Annotated[
    Decimal, Field(ge=0, le=MOST, max_digits=18, decimal_places=4, examples=["12.50"]), AfterValidator(_finite)
]
"""An amount as a client sends it."""

Currency = Annotated[str, Field(pattern=CURRENCY, examples=["USD"], description="ISO 4217")]


def _known(currency: str) -> str:
    if currency not in CURRENCIES:
        raise ValueError(f"{currency} is no currency of ISO 4217")
    return currency


KnownCurrency = Annotated[Currency, AfterValidator(_known)]
"""One that something is to be priced in from now on. Where it is only asked for, one without a rate is told anyway."""
