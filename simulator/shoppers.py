"""The people of the simulation: hidden tastes, price sensitivities, budgets, activity, countries, addresses and
devices.

Tastes are Dirichlet mixtures of a dozen archetypes, each of which loves one corner of the catalogue: shoppers who
share an archetype want the same things, which is what a recommender can find.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

import numpy as np

from simulator.tastes import DIMENSIONS, Vectors

ARCHETYPES = 14
CONCENTRATION = 0.16
"""Below 1: most of a shopper's taste is one archetype's, with some of another."""

COUNTRIES = ("US", "GB", "DE", "FR", "CA", "NL")
COUNTRY_SHARES = (0.46, 0.18, 0.13, 0.10, 0.08, 0.05)
MAIL_DOMAINS = ("mailhaven.example", "postbox.example", "inbox.example", "letterbird.example", "work.example")
STREETS = ("Mill Lane", "Station Road", "Harbour Street", "Chapel Hill", "Orchard Way", "Bridge Street", "Elm Avenue")
CITIES = {
    "US": ("Portland", "OR", "97201"), "GB": ("Leeds", "West Yorkshire", "LS1 4AP"), "DE": ("Leipzig", "SN", "04109"),
    "FR": ("Nantes", "PDL", "44000"), "CA": ("Halifax", "NS", "B3H 1X1"), "NL": ("Utrecht", "UT", "3511 AB"),
    "BR": ("Recife", "PE", "50030-230"), "NG": ("Lagos", "LA", "100001"),
}  # fmt: skip


@dataclass(slots=True)
class Account:
    """Access to the shop: what the client needs to act as somebody."""

    email: str
    password: str
    country: str
    name: str
    access_token: str | None = None
    refresh_token: str | None = None


@dataclass(slots=True)
class Visitor:
    """Who is in front of the screen, as far as the shop can see: account, device, network address, where goods go."""

    account: Account | None
    device: str
    network_address: str
    shipping_address: dict[str, str]
    payment_token: str


@dataclass(slots=True)
class Shopper:
    """An honest customer. The fields below ``visitor`` are hidden from the shop."""

    number: int
    visitor: Visitor
    opens_account_on_day: int
    """Day of the simulation, negative: had an account before it began."""
    archetypes: list[float]
    taste: Vectors
    price_sensitivity: float
    budget: float
    """Typical money for one visit, in units of the catalogue's median price."""
    sessions_per_day: float
    is_moving: bool = False
    """Travels or uses a relay now and then: the network's country is not home's."""
    cards: list[str] = field(default_factory=list)


def archetype_vectors(products: Vectors, rng: np.random.Generator) -> Vectors:
    """Archetypes: each the middle of a product and those nearest to it, far from the corners of the others."""
    chosen = [int(rng.integers(len(products)))]
    for _ in range(ARCHETYPES - 1):
        nearest = np.max(products @ products[chosen].T, axis=1)
        lonely = np.argsort(nearest)[: max(len(products) // 8, 1)]
        chosen.append(int(rng.choice(lonely)))
    around = [np.argsort(-(products @ products[index]))[:12] for index in chosen]
    vectors = np.stack([products[indices].mean(axis=0) for indices in around])
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def populate(count: int, archetypes: Vectors, seed: int, password_key: str) -> list[Shopper]:
    """Shoppers number 0 to count - 1 of a seed; the same for the same seed and catalogue."""
    rng = np.random.default_rng([seed, 1])
    mixtures = rng.dirichlet(np.full(len(archetypes), CONCENTRATION), size=count)
    tastes = mixtures @ archetypes + rng.normal(0, 0.05, size=(count, DIMENSIONS))
    tastes /= np.linalg.norm(tastes, axis=1, keepdims=True)
    countries = rng.choice(COUNTRIES, size=count, p=COUNTRY_SHARES)
    activity = np.clip(rng.gamma(1.6, 0.40, size=count), 0.08, 3.0)
    return [
        Shopper(
            number=number,
            visitor=household(number, seed, str(countries[number]), password_key, rng),
            opens_account_on_day=_opening_day(rng),
            archetypes=[round(float(share), 4) for share in mixtures[number]],
            taste=tastes[number].astype(np.float32),
            price_sensitivity=float(np.clip(rng.lognormal(np.log(3.3), 0.35), 1.2, 8.0)),
            budget=float(rng.lognormal(np.log(3.2), 0.5)),
            sessions_per_day=float(activity[number]),
            is_moving=bool(rng.random() < 0.04),
            cards=[f"tok_visa_{seed}_{number}", f"tok_master_{seed}_{number}"],
        )
        for number in range(count)
    ]


def household(number: int, seed: int, country: str, password_key: str, rng: np.random.Generator) -> Visitor:
    """A shopper's home. One in twelve shares network address and street with the number before."""
    home = number - 1 if number % 12 == 11 else number
    email = f"shopper-{seed}-{number}@{MAIL_DOMAINS[int(rng.integers(len(MAIL_DOMAINS)))]}"
    return Visitor(
        account=Account(email, password_of(email, password_key), country, f"Shopper {number}"),
        device=f"device-{seed}-{number}",
        network_address=network_address(country, home, seed),
        shipping_address=street_address(country, home),
        payment_token=f"tok_visa_{seed}_{number}",
    )


def password_of(email: str, key: str) -> str:
    """Password of a simulated account: only who has the key of this data folder can derive it."""
    return hmac.new(key.encode(), email.encode(), hashlib.sha256).hexdigest()[:20]


def street_address(country: str, home: int) -> dict[str, str]:
    city, state, code = CITIES[country]
    return {
        "street": f"{home % 180 + 1} {STREETS[home % len(STREETS)]}",
        "city": city,
        "state": state,
        "zip": code,
        "country": country,
    }


def network_address(country: str, home: int, seed: int) -> str:
    """An address in the range that simulated networks of a country have (10.n.0.0/16)."""
    place = (home * 7 + seed * 13) % 64_000 + 1
    return f"10.{NETWORKS[country]}.{place // 250}.{place % 250 + 1}"


NETWORKS = {"US": 0, "GB": 1, "DE": 2, "FR": 3, "CA": 4, "NL": 5, "BR": 6, "NG": 7}
"""Second number of the simulated networks of each country, as the shop's own table has them."""


def _opening_day(rng: np.random.Generator) -> int:
    """Two thirds were customers before; the others open an account some day, most of them early."""
    if rng.random() < 0.66:
        return -1
    return int(rng.exponential(9.0))
