"""Fraudsters: what they plan, as a list of steps that ``world`` carries out against the shop.

Four patterns. Card testing: one device tries many dead cards on cheap things until one lives, then buys dear. Stolen
card: a minutes-old account with a throw-away mail address, a network far from where the goods go, a big basket.
Account takeover: an old customer's account, suddenly a new device in another country and another delivery address.
Reshipping ring: several accounts that share a device farm, a network and one drop address, each with a card of its
own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator.shoppers import (
    MAIL_DOMAINS,
    Account,
    Shopper,
    Visitor,
    network_address,
    password_of,
    street_address,
)
from simulator.tastes import Listed

Pattern = Literal["card_testing", "stolen_card", "account_takeover", "reshipping_ring"]
PATTERNS: tuple[Pattern, ...] = ("card_testing", "stolen_card", "account_takeover", "reshipping_ring")
PATTERN_SHARES = (0.26, 0.32, 0.20, 0.22)
FRAUD_SHARE = 0.042
"""Of the orders that would be paid."""

THROW_AWAY_DOMAINS = ("mailinator.com", "yopmail.com", "trashmail.com", "quickdrop.example")
FAR_NETWORKS = ("NG", "BR", "US", "GB", "FR")
SHIPPING_COUNTRIES = ("US", "GB", "DE", "CA")


@dataclass(frozen=True, slots=True)
class Purchase:
    """One order of a raid: rows of the catalogue with quantities, and the tokens tried before the one that pays."""

    lines: dict[int, int]
    dead_tokens: tuple[str, ...]
    payment_token: str
    views: int
    """Product pages opened before: people who mean to steal do not browse."""


@dataclass(slots=True)
class Raid:
    """A fraud under way: who appears before the shop, and what they buy."""

    pattern: Pattern
    visitor: Visitor
    purchases: list[Purchase] = field(default_factory=list)


class Fraudsters:
    """Plans raids so that their share of the paid orders stays near ``FRAUD_SHARE``."""

    def __init__(self, products: list[Listed], seed: int, run: int, password_key: str) -> None:
        self._rng = np.random.default_rng([seed, run, 3])
        self._prefix = f"{seed}-{run}"
        self._password_key = password_key
        self._count = 0
        self._owed = 0.0
        prices = np.array([product.price for product in products])
        self._prices = prices
        self._by_price: NDArray[np.intp] = np.argsort(prices)
        self._ring: Visitor | None = None
        self._ring_members = 0

    def plan(self, honest_orders: int, victims: list[Shopper]) -> list[Raid]:
        """Raids that fit the honest orders of the last hours, and victims whose accounts can be taken over."""
        self._owed += honest_orders * FRAUD_SHARE / (1 - FRAUD_SHARE) * float(self._rng.uniform(0.6, 1.4))
        raids: list[Raid] = []
        while self._owed >= 1.0:
            raid = self._raid(str(self._rng.choice(PATTERNS, p=PATTERN_SHARES)), victims)
            self._owed -= len(raid.purchases)
            raids.append(raid)
        return raids

    def _raid(self, pattern: str, victims: list[Shopper]) -> Raid:
        self._count += 1
        if pattern == "card_testing":
            return self._card_testing()
        if pattern == "account_takeover" and victims:
            return self._account_takeover(victims)
        if pattern == "reshipping_ring":
            return self._reshipping_ring()
        return self._stolen_card()

    def _card_testing(self) -> Raid:
        country = self._pick(SHIPPING_COUNTRIES)
        visitor = self._stranger(country, country if self._rng.random() < 0.5 else self._pick(FAR_NETWORKS))
        name = f"{self._prefix}-{self._count}"
        dead = tuple(f"tok_decline_{name}_{attempt}" for attempt in range(int(self._rng.integers(3, 8))))
        first = Purchase(self._cheap_lines(), dead, f"tok_stolen_{name}", views=1)
        raid = Raid("card_testing", visitor, [first])
        if self._rng.random() < 0.6:
            raid.purchases.append(Purchase(self._dear_lines(2), (), f"tok_stolen_{name}", views=2))
        return raid

    def _stolen_card(self) -> Raid:
        country = self._pick(SHIPPING_COUNTRIES)
        network = country if self._rng.random() < 0.18 else self._pick(FAR_NETWORKS)
        purchase = Purchase(
            self._dear_lines(int(self._rng.integers(2, 5))), (), f"tok_stolen_{self._prefix}-{self._count}",
            views=int(self._rng.integers(2, 6)),
        )  # fmt: skip
        return Raid("stolen_card", self._stranger(country, network), [purchase])

    def _account_takeover(self, victims: list[Shopper]) -> Raid:
        victim = victims[int(self._rng.integers(len(victims)))]
        drop = self._pick(SHIPPING_COUNTRIES)
        visitor = Visitor(
            account=victim.visitor.account,
            device=f"foreign-device-{self._prefix}-{self._count}",
            network_address=network_address(self._pick(FAR_NETWORKS), 40_000 + self._count, 77),
            shipping_address=street_address(drop, 500 + self._count),
            payment_token=f"tok_stolen_{self._prefix}-{self._count}",
        )
        saved_card = self._rng.random() < 0.4
        token = victim.visitor.payment_token if saved_card else visitor.payment_token
        return Raid("account_takeover", visitor, [Purchase(self._dear_lines(2), (), token, views=3)])

    def _reshipping_ring(self) -> Raid:
        """Another member of the present ring; after some members the ring moves on to a new drop."""
        if self._ring is None or self._ring_members >= 7:
            country = self._pick(SHIPPING_COUNTRIES)
            self._ring = self._stranger(country, self._pick((*FAR_NETWORKS, country)))
            self._ring_members = 0
        self._ring_members += 1
        member = self._stranger("US", "US", normal_mail=True)
        member.device = f"{self._ring.device}-{self._ring_members % 2}"
        member.network_address = self._ring.network_address
        member.shipping_address = self._ring.shipping_address
        token = f"tok_stolen_{self._prefix}-{self._count}"
        purchases = [Purchase(self._middle_lines(), (), token, views=int(self._rng.integers(2, 8)))]
        return Raid("reshipping_ring", member, purchases)

    def _stranger(self, country: str, network: str, *, normal_mail: bool = False) -> Visitor:
        domains = MAIL_DOMAINS if normal_mail or self._rng.random() < 0.35 else THROW_AWAY_DOMAINS
        email = f"buyer-{self._prefix}-{self._count}@{self._pick(domains)}"
        return Visitor(
            account=Account(email, password_of(email, self._password_key), country, f"Buyer {self._count}"),
            device=f"burner-{self._prefix}-{self._count}",
            network_address=network_address(network, 30_000 + self._count, 99),
            shipping_address=street_address(country, 300 + self._count),
            payment_token=f"tok_stolen_{self._prefix}-{self._count}",
        )

    def _cheap_lines(self) -> dict[int, int]:
        return self._lines(0.0, 0.3, 1, 1)

    def _middle_lines(self) -> dict[int, int]:
        return self._lines(0.55, 0.95, int(self._rng.integers(1, 4)), 2)

    def _dear_lines(self, count: int) -> dict[int, int]:
        return self._lines(0.7, 1.0, count, 2)

    def _lines(self, low: float, high: float, count: int, most: int) -> dict[int, int]:
        """Different products between two quantiles of price."""
        size = len(self._by_price)
        shelf = self._by_price[int(low * size) : max(int(high * size), int(low * size) + count)]
        rows = self._rng.choice(shelf, size=min(count, len(shelf)), replace=False)
        return {int(row): int(self._rng.integers(1, most + 1)) for row in rows}

    def _pick(self, options: tuple[str, ...]) -> str:
        return str(options[int(self._rng.integers(len(options)))])
