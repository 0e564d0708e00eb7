"""Money: Decimal amounts in the currency's own decimals (ISO 4217), rounded half up, written as strings.

Float arithmetic on money is a defect: amounts enter as ``Decimal``, ``int`` or a decimal string.
"""

from __future__ import annotations

from collections.abc import Mapping
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

_UNITS = {places: Decimal(1).scaleb(-places) for places in (0, 2, 3, 4)}
"""The least amount by the digits after the point."""

# What is paid in: the codes of ISO 4217, list one, but for metals, units of account, and the codes for tests and no currency.
_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
    "GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP "
    "LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB "
    "PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB "
    "TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER "
    "ZAR ZMW ZWG "
)
CURRENCIES = frozenset(_CODES.split())


def decimals(currency: str) -> int:
    """Digits after the point of an ISO 4217 currency."""
    return _DECIMALS.get(currency, 2)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount in the currency's own decimals, half rounded away from zero."""
    return amount.quantize(_UNITS[decimals(currency)], rounding=ROUND_HALF_UP)


def line_total(unit_price: Decimal, quantity: int, currency: str) -> Decimal:
    """Total of an order line; rounded here, once, and never recomputed by anyone."""
    return rounded(unit_price * quantity, currency)


def money_text(amount: Decimal, currency: str) -> str:
    """The amount as a JSON string carries it: "12.50" in USD, "1250" in JPY."""
    return format(rounded(amount, currency), "f")


def amounts_text(amounts: Mapping[str, str]) -> str:
    """Amounts by currency, for people: those of different currencies stand beside each other and are never added."""
    told = [f"{rounded(Decimal(amount), currency):,f} {currency}" for currency, amount in sorted(amounts.items())]
    return " and ".join(told) or "nothing"


def compared_by_currency(core: dict[str, str], gold: dict[str, str]) -> dict[str, object]:
    """Two sides' revenue as documents carry it: in each currency, and plainly in the one that has most of it."""
    currencies = sorted(core | gold)
    most = {each: max(Decimal(core.get(each, "0")), Decimal(gold.get(each, "0"))) for each in currencies}
    main = max(currencies, key=most.__getitem__, default="USD")
    return {
        "currency": main,
        "revenue_core": core.get(main, "0.00"),
        "revenue_gold": gold.get(main, "0.00"),
        "revenue_by_currency": {
            currency: {"core": core.get(currency, "0.00"), "gold": gold.get(currency, "0.00")}
            for currency in currencies
        },
    }
