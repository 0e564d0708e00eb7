"""Which warehouse an order's line is taken from: a pure function of what is known of the warehouses.

    score = .4 × distance + .4 × availability + .2 × capacity, each from 0 to 1

    distance      1 at the warehouse's door, 0 on the other side of the earth
    availability  how much of the reorder level is left when the line has been taken; 1 when that is all of it or more
    capacity      parcels that it can send a day, as a share of what the largest of the candidates can

What is not known counts half. Only a warehouse that has the whole line is a candidate. Of equal scores the one with most left
wins, then the first by code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transactional.platform.geography import HALF_WAY_ROUND_KM, Place, great_circle_km, place_of

DISTANCE, AVAILABILITY, CAPACITY = 0.4, 0.4, 0.2
NOT_KNOWN = 0.5


@dataclass(frozen=True, slots=True)
class Warehouse:
    """What a warehouse has of a SKU, and what is known of it."""

    code: str
    available: int
    reorder_level: int
    place: Place | None
    capacity: int | None


def warehouse_of(row: Sequence[Any]) -> Warehouse:
    """From a statement's (code, available, reorder level, country, latitude, longitude, capacity)."""
    code, available, reorder_level, country, latitude, longitude, capacity = row
    place = place_of(country) if latitude is None else Place(latitude, longitude)
    return Warehouse(code, available, reorder_level, place, capacity)


def score(warehouse: Warehouse, quantity: int, destination: Place | None, largest_capacity: int | None) -> float:
    """From 0 to 1, the higher the better."""
    return (
        DISTANCE * _nearness(warehouse.place, destination)
        + AVAILABILITY * _plenty(warehouse.available - quantity, warehouse.reorder_level)
        + CAPACITY * _size(warehouse.capacity, largest_capacity)
    )


def _nearness(place: Place | None, destination: Place | None) -> float:
    if place is None or destination is None:
        return NOT_KNOWN
    return 1 - great_circle_km(place, destination) / HALF_WAY_ROUND_KM


def _plenty(left: int, reorder_level: int) -> float:
    return 1.0 if left >= reorder_level else left / reorder_level


def _size(capacity: int | None, largest: int | None) -> float:
    return NOT_KNOWN if capacity is None or largest is None else capacity / largest


def best(
    rows: Sequence[Sequence[Any]] | None, quantity: int, country: str | None, region: str = ""
) -> tuple[str | None, int]:
    """Code of the warehouse that sends so many units to a place, and what it has; where none has enough, the one that has
    most. (None, 0) where the SKU lies nowhere."""
    if not rows:
        return None, 0
    if len(rows) == 1:
        return rows[0][0], rows[0][1]
    warehouses = [warehouse_of(row) for row in rows]
    candidates = [one for one in warehouses if one.available >= quantity]
    if not candidates:
        most = min(warehouses, key=lambda one: (-one.available, one.code))
        return most.code, most.available
    destination = place_of(country, region)
    largest = max((one.capacity for one in candidates if one.capacity is not None), default=None)
    chosen = min(candidates, key=lambda one: (-score(one, quantity, destination, largest), -one.available, one.code))
    return chosen.code, chosen.available
