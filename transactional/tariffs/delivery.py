"""Shipping options as plain functions: what each service costs from these warehouses to this place, and when it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import ceil
from typing import Literal

from lakefront.money import rounded
from transactional.platform.geography import Place, great_circle_km
from transactional.tariffs.business_days import after_business_days, business_day_from

Method = Literal["standard", "next_day", "same_day"]
TYPICAL_KM = 1_000.0
"""Taken where an end of the way is not known; services with a reach are not offered then."""
DELIVERED_BY = time(20)
"""Carriers deliver until this hour of the destination."""


@dataclass(frozen=True, slots=True)
class Service:
    """A shipping service's tariff. Days are business days, hours those of the warehouse."""

    code: Method
    currency: str
    base_cost: Decimal
    cost_per_100_km: Decimal
    free_from: Decimal | None
    """Goods worth this much travel free."""
    most_km: int | None
    crosses_borders: bool
    handling_days: int
    km_per_day: int | None
    """How far a parcel gets in a day; null: as far as the service reaches."""
    customs_days: int
    cutoff_hour: int
    """Orders from this hour on leave on the next business day."""
    only_today: bool
    """Not offered when the parcel cannot leave today."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one warehouse sends."""

    origin: Place | None
    is_international: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """A service for an order; its cost is in the service's currency."""

    service: Service
    cost: Decimal
    estimated_delivery: datetime


def offer(service: Service, parcels: Sequence[Parcel], destination: Place | None, now: datetime) -> Offer | None:
    """What the service offers for these parcels; None where it does not serve one of them. The last one to arrive
    counts."""
    cost, delivered = Decimal(0), now
    for parcel in parcels:
        distance = great_circle_km(parcel.origin, destination) if parcel.origin and destination else None
        if parcel.is_international and not service.crosses_borders:
            return None
        if service.most_km is not None and (distance is None or distance > service.most_km):
            return None
        arrival = _arrival(service, parcel, TYPICAL_KM if distance is None else distance, destination, now)
        if arrival is None:
            return None
        way = Decimal(round(TYPICAL_KM if distance is None else distance))
        cost += rounded(service.base_cost + service.cost_per_100_km * way / 100, service.currency)
        delivered = max(delivered, arrival)
    return Offer(service, cost, delivered)


def _arrival(
    service: Service, parcel: Parcel, distance: float, destination: Place | None, now: datetime
) -> datetime | None:
    local = now + _sun_time(parcel.origin)
    leaves = _leaves(service, local)
    if service.only_today and leaves != local.date():
        return None
    days = service.handling_days
    if service.km_per_day is not None:
        days += ceil(distance / service.km_per_day)
    if parcel.is_international:
        days += service.customs_days
    delivered = after_business_days(leaves, days)
    return datetime.combine(delivered, DELIVERED_BY, UTC) - _sun_time(destination or parcel.origin)


def _leaves(service: Service, local: datetime) -> date:
    today = local.date()
    return business_day_from(today if local.hour < service.cutoff_hour else today + timedelta(days=1))


def _sun_time(place: Place | None) -> timedelta:
    """The place's hours ahead of UTC by the sun: fifteen degrees are an hour. Good to the hour or so, without a table
    of time zones."""
    return timedelta(hours=round(place.longitude / 15)) if place else timedelta()
