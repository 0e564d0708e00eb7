"""Where countries and regions are, and how far apart: great circles between the centres of where people live.

`places.csv` holds, for each country and each state of the US, the centre of its cities weighted by their inhabitants (computed
from GeoNames, https://www.geonames.org, CC BY 4.0) and the customs area that it belongs to.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from math import asin, cos, pi, radians, sin, sqrt
from pathlib import Path

EARTH_RADIUS_KM = 6371.0088
HALF_WAY_ROUND_KM = pi * EARTH_RADIUS_KM
"""No two places are further apart."""


_MAILED_AS_STATES = frozenset({"AA", "AE", "AP", "AS", "FM", "GU", "MH", "MP", "PR", "PW", "UM", "VI"})
"""Territories and forces abroad, to which letters go as to a state (USPS Publication 28, appendix B)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


def great_circle_km(one: Place, other: Place) -> float:
    """Length of the shortest way over the earth (haversine)."""
    north, further_north = radians(one.latitude), radians(other.latitude)
    half_height = sin((further_north - north) / 2)
    half_width = sin(radians(other.longitude - one.longitude) / 2)
    chord = half_height**2 + cos(north) * cos(further_north) * half_width**2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(chord)))


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[tuple[str, str], Place], dict[str, str]]:
    places: dict[tuple[str, str], Place] = {}
    areas: dict[str, str] = {}
    with (Path(__file__).parent / "places.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            places[row["country"], row["region"]] = Place(float(row["latitude"]), float(row["longitude"]))
            areas[row["country"]] = row["customs_area"]
    return places, areas


def is_country(code: str) -> bool:
    """Whether this is the ISO 3166-1 code of a country where people live."""
    return code in _tables()[1]


@lru_cache(maxsize=8)
def regions_of(country: str) -> frozenset[str]:
    """The regions of a country that addresses name; none where they are not known here."""
    places, _ = _tables()
    known = frozenset(region for where, region in places if where == country and region)
    return known | _MAILED_AS_STATES if country == "US" else known


def check_country(code: str) -> str:
    """The code itself. Raises ValueError, in words for who sent it, where it is no country's."""
    if not is_country(code):
        raise ValueError(f"{code} is no country's code (ISO 3166-1, such as US)")
    return code


def check_region(country: str, region: str) -> None:
    """Raises ValueError, in words for who sent it, where the country's regions are known and this is none of them."""
    regions, letters = regions_of(country), region.strip().upper()
    if letters and regions and letters not in regions:
        raise ValueError(f"state: {region} is no state of {country}; send its letters")


def place_of(country: str | None, region: str = "") -> Place | None:
    """The middle of a region where it is known, else of the country; None for a country that is not known."""
    if country is None:
        return None
    places, _ = _tables()
    return places.get((country, region)) or places.get((country, ""))


def is_international(origin: str | None, destination: str | None) -> bool:
    """Whether a parcel crosses the border of a customs area. An unknown end is taken to be at home."""
    if origin is None or destination is None or origin == destination:
        return False
    _, areas = _tables()
    return areas.get(origin, origin) != areas.get(destination, destination)
