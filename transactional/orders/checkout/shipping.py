"""Shipping options of an order: which services reach the shopper from the chosen warehouses, for how much and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from lakefront.clock import iso
from lakefront.money import money_text
from transactional.platform.geography import is_international, place_of
from transactional.tariffs.delivery import Method, Parcel, offer
from transactional.tariffs.exchange import converted
from transactional.tariffs.snapshot import UNKNOWN_ORIGIN, Tariffs


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an order goes, as far as tariffs care."""

    country: str | None
    region: str


@dataclass(frozen=True, slots=True)
class ShippingOption:
    """A service that can be chosen; its cost is in the order's currency."""

    code: Method
    cost: Decimal
    estimated_delivery: datetime

    def answer(self, currency: str) -> dict[str, Any]:
        return {
            "code": self.code,
            "cost": money_text(self.cost, currency),
            "estimated_delivery": iso(self.estimated_delivery),
        }


def crosses_border(tariffs: Tariffs, warehouse: str, destination: Destination) -> bool:
    """Whether what this warehouse sends passes customs."""
    return is_international(tariffs.warehouses.get(warehouse, UNKNOWN_ORIGIN).country, destination.country)


def shipping_option(
    tariffs: Tariffs,
    code: str,
    warehouses: Iterable[str],
    destination: Destination,
    goods: tuple[Decimal, str],
    now: datetime,
) -> ShippingOption | None:
    """A service for goods of this worth and currency; None where it is not offered."""
    service = tariffs.services.get(code)
    if service is None:
        return None
    origins = [tariffs.warehouses.get(warehouse, UNKNOWN_ORIGIN) for warehouse in sorted(set(warehouses))]
    # Who does not say where to is taken to be in the warehouse's country.
    country = destination.country or origins[0].country
    parcels = [Parcel(origin.place, is_international(origin.country, country)) for origin in origins]
    offered = offer(service, parcels, place_of(country, destination.region), now)
    if offered is None:
        return None
    worth, currency = goods
    cost = converted(offered.cost, service.currency, currency, tariffs.per_euro)
    if cost and service.free_from is not None:
        free_from = converted(service.free_from, service.currency, currency, tariffs.per_euro)
        if free_from is not None and worth >= free_from:
            cost = Decimal(0)
    return None if cost is None else ShippingOption(service.code, cost, offered.estimated_delivery)


def shipping_options(
    tariffs: Tariffs, warehouses: Iterable[str], destination: Destination, goods: tuple[Decimal, str], now: datetime
) -> list[ShippingOption]:
    """All services that are offered, in the order of the table."""
    chosen = list(warehouses)
    found = (shipping_option(tariffs, code, chosen, destination, goods, now) for code in tariffs.services)
    return [option for option in found if option is not None]
