"""The country of a network address: the simulator's own ranges, and a file of ranges where the operator has one.

The simulator gives its shoppers addresses in 10.<n>.0.0/16, one block of n for each country. For real addresses set
``LAKEFRONT_NETWORK_RANGES`` to a CSV file with the columns network (CIDR) and country (ISO 3166-1 alpha-2).
"""

from __future__ import annotations

import csv
import ipaddress
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path

from lakefront.settings import settings

SIMULATED_COUNTRIES = ("US", "GB", "DE", "FR", "CA", "NL", "BR", "NG", "IE", "ES", "IT", "SE", "PL", "IN", "CN", "RU")
"""Country of 10.<n>.0.0/16 is the entry n modulo the length of this table."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=4096)
def country_of(address: str) -> str | None:
    """ISO 3166-1 code of the country that an address belongs to, None when nothing is known of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if (mapped := getattr(parsed, "ipv4_mapped", None)) is not None:
        parsed = mapped
    return _in_file(parsed) or _simulated(parsed)


def _simulated(address: Address) -> str | None:
    packed = address.packed
    if address.version != 4 or packed[0] != 10:
        return None
    return SIMULATED_COUNTRIES[packed[1] % len(SIMULATED_COUNTRIES)]


def _in_file(address: Address) -> str | None:
    starts, ends, countries = _ranges(address.version)
    place = bisect_right(starts, int(address)) - 1
    if place < 0 or int(address) > ends[place]:
        return None
    return countries[place]


@lru_cache(maxsize=2)
def _ranges(version: int) -> tuple[list[int], list[int], list[str]]:
    file = settings().network_ranges
    if not file:
        return [], [], []
    with Path(file).open(newline="") as lines:
        rows = [(ipaddress.ip_network(row["network"]), row["country"].upper()) for row in csv.DictReader(lines)]
    ordered = sorted(
        (int(network.network_address), int(network.broadcast_address), country)
        for network, country in rows
        if network.version == version
    )
    return [row[0] for row in ordered], [row[1] for row in ordered], [row[2] for row in ordered]
