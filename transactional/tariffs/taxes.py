"""Tax and duties behind two interfaces, and the tables that implement both.

A calculator of another company goes behind the same interfaces: it is asked between the quote's read and its first write,
outside of any transaction. Each line is rounded once; nobody recomputes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from lakefront.money import rounded
from transactional.tariffs.errors import RegionNeeded
from transactional.tariffs.exchange import converted


@dataclass(frozen=True, slots=True)
class Goods:
    """A line as it is taxed."""

    category: str
    amount: Decimal
    """After its share of the discount."""
    is_international: bool


@dataclass(frozen=True, slots=True)
class Sale:
    """What is sold and sent where, in one currency."""

    currency: str
    country: str | None
    region: str
    goods: Sequence[Goods]
    shipping: Decimal


@dataclass(frozen=True, slots=True)
class Tax:
    """``added`` is paid on top of the prices, ``included`` is part of them."""

    added: Decimal = Decimal(0)
    included: Decimal = Decimal(0)


class TaxCalculator(Protocol):
    async def tax(self, sale: Sale) -> Tax:
        """Raises RegionNeeded."""
        ...


class DutyCalculator(Protocol):
    async def duties(self, sale: Sale) -> Decimal: ...


@dataclass(frozen=True, slots=True)
class TaxRate:
    """Percent on the goods of a category and all below it; "" is all categories, or all regions of the country."""

    country: str
    region: str
    category: str
    rate: Decimal
    is_inclusive: bool
    on_shipping: bool


@dataclass(frozen=True, slots=True)
class DutyRate:
    """Percent on goods of a category that enter a country; none where all that enters is worth no more than the
    threshold."""

    country: str
    category: str
    rate: Decimal
    threshold: Decimal
    currency: str
    """Of the threshold."""


def _chain(category: str) -> Iterable[str]:
    """The category, those above it, and "" for all."""
    while category:
        yield category
        category = category.rpartition("/")[0]
    yield ""


class TaxTable:
    """Tax by a table of rates: the region's before the country's, the narrowest category first."""

    def __init__(self, rates: Iterable[TaxRate]) -> None:
        self._rates = {(rate.country, rate.region, rate.category): rate for rate in rates}
        self._countries = {country for country, _, _ in self._rates}
        self._with_regions = {country for country, region, _ in self._rates if region}

    async def tax(self, sale: Sale) -> Tax:
        return self.tax_of(sale)

    def tax_of(self, sale: Sale) -> Tax:
        if sale.country not in self._countries:
            return Tax()
        if not sale.region and sale.country in self._with_regions:
            raise RegionNeeded(sale.country)
        added = included = Decimal(0)
        taxed = [(one.amount, self._rate(sale, one.category)) for one in sale.goods]
        general = self._rate(sale, "")
        taxed.append((sale.shipping, general if general and general.on_shipping else None))
        for amount, rate in taxed:
            if rate is None:
                continue
            if rate.is_inclusive:
                included += rounded(amount * rate.rate / (100 + rate.rate), sale.currency)
            else:
                added += rounded(amount * rate.rate / 100, sale.currency)
        return Tax(added, included)

    def _rate(self, sale: Sale, category: str) -> TaxRate | None:
        assert sale.country is not None, "countries of the table are known"
        for region in (sale.region, "") if sale.region else ("",):
            for part in _chain(category):
                if found := self._rates.get((sale.country, region, part)):
                    return found
        return None


class DutyTable:
    """Duties by a table of rates, the narrowest category first; thresholds are converted to the sale's currency."""

    def __init__(self, rates: Iterable[DutyRate], per_euro: Mapping[str, Decimal]) -> None:
        self._rates = {(rate.country, rate.category): rate for rate in rates}
        self._countries = {country for country, _ in self._rates}
        self._per_euro = per_euro

    async def duties(self, sale: Sale) -> Decimal:
        return self.duties_of(sale)

    def duties_of(self, sale: Sale) -> Decimal:
        if sale.country not in self._countries:
            return Decimal(0)
        entering = [one for one in sale.goods if one.is_international]
        worth = sum((one.amount for one in entering), Decimal(0))
        owed = Decimal(0)
        for one in entering:
            rate = next((r for part in _chain(one.category) if (r := self._rates.get((sale.country, part)))), None)
            if rate is not None and not self._is_below(worth, sale.currency, rate):
                owed += rounded(one.amount * rate.rate / 100, sale.currency)
        return owed

    def _is_below(self, worth: Decimal, currency: str, rate: DutyRate) -> bool:
        """Without an exchange rate nobody is spared: the amount that customs will ask for is owed in any case."""
        threshold = converted(rate.threshold, rate.currency, currency, self._per_euro)
        return threshold is not None and worth <= threshold
