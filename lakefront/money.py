"""Money: Decimal amounts in the currency's own decimals (ISO 4217), rounded half up, written as strings.

Float arithmetic on money is a defect: amounts enter as ``Decimal``, ``int`` or a decimal string.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

# Decimals of the ISO 4217 currencies that do not have two (ISO 4217:2015, list one).
_DECIMALS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}


def decimals(currency: str) -> int:
    """Digits after the point of an ISO 4217 currency."""
    return _DECIMALS.get(currency, 2)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount in the currency's own decimals, half rounded away from zero."""
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)), rounding=ROUND_HALF_UP)


def line_total(unit_price: Decimal, quantity: int, currency: str) -> Decimal:
    """Total of an order line; rounded here, once, and never recomputed by anyone."""
    return rounded(unit_price * quantity, currency)


def money_text(amount: Decimal, currency: str) -> str:
    """The amount as a JSON string carries it: "12.50" in USD, "1250" in JPY."""
    return format(rounded(amount, currency), "f")
