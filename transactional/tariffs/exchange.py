"""Exchange rates: amounts in another currency, and the files in which the European Central Bank publishes its rates."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from lakefront.money import rounded

BASE = "EUR"
GREATEST_RATE = Decimal(10) ** 9
_NOT_QUOTED = {"", "N/A"}


class BadRates(ValueError):
    """The file is not one of exchange rates."""


def converted(amount: Decimal, source: str, target: str, per_euro: Mapping[str, Decimal]) -> Decimal | None:
    """The amount in another currency, rounded once to its decimals; None where a rate is missing."""
    if source == target:
        return rounded(amount, target)
    if not amount:
        return rounded(amount, target)
    old, new = per_euro.get(source), per_euro.get(target)
    if old is None or new is None:
        return None
    return rounded(amount * new / old, target)


def read_ecb(text: str) -> list[tuple[date, str, Decimal]]:
    """Date, currency and units for one euro, from `eurofxref.csv` or `eurofxref-hist.csv`. Raises BadRates."""
    lines = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if any(row)]
    if len(lines) < 2 or lines[0][0] != "Date":
        raise BadRates("the first line must be 'Date, USD, JPY, …'")
    currencies = lines[0][1:]
    if wrong := [one for one in currencies if one and not (len(one) == 3 and one.isascii() and one.isupper())]:
        raise BadRates(f"these are no ISO 4217 codes: {', '.join(wrong)}")
    if BASE in currencies:
        raise BadRates(f"rates are units for one {BASE}: a column of {BASE} itself cannot be one of them")
    found = {}
    for number, (day, *rates) in enumerate(lines[1:], 2):
        valid_on = _day(day, number)
        for currency, rate in zip(currencies, rates, strict=False):
            if not currency or rate in _NOT_QUOTED:
                continue
            if (valid_on, currency) in found:
                raise BadRates(f"line {number}: there is a rate of {currency} for {valid_on} before it")
            found[valid_on, currency] = _rate(rate, currency, number)
    if not found:
        raise BadRates("the file has no rates")
    return [(valid_on, currency, rate) for (valid_on, currency), rate in found.items()]


def _day(text: str, number: int) -> date:
    for form in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    raise BadRates(f"line {number}: {text!r} is no date")


def _rate(text: str, currency: str, number: int) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation:
        rate = Decimal(0)
    if not rate.is_finite() or not 0 < rate < GREATEST_RATE:
        raise BadRates(f"line {number}: {text!r} is no rate of {currency}")
    return rate
