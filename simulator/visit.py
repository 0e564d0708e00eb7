"""One visit to the shop: which lists are seen, what is clicked, what goes into the basket. No network here.

``world`` fetches the lists over HTTP, lets the visit look at them, and posts the events that it wrote down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakefront.clock import iso
from lakefront.ids import new_id
from simulator import choice
from simulator.choice import Floats, Shelf

MOST_LINES = 5
CHECKOUT = 0.82
"""Chance that a basket becomes an order on this visit."""


@dataclass(slots=True)
class Visit:
    """A visit under way. ``affinity`` is the visitor's taste for every product, by row."""

    session: str
    affinity: Floats
    sensitivity: float
    budget: float
    shelf: Shelf
    product_ids: Sequence[str]
    moment: datetime
    latest: datetime
    """A visit's clicks are told together at its end, so it must not reach far beyond the present."""
    rng: np.random.Generator
    events: list[dict[str, Any]] = field(default_factory=list)
    basket: dict[int, int] = field(default_factory=dict)
    viewed: list[int] = field(default_factory=list)

    def see_list(
        self, rows: NDArray[np.intp], surface: str, decision_id: str | None = None, most: int = 4
    ) -> list[int]:
        """Look at a list and open what appeals; what is opened may go into the basket. Returns the rows opened."""
        if not len(rows):
            return []
        shown = {"surface": surface, "product_ids": [self.product_ids[row] for row in rows[:100]]}
        self._note("storefront.list.viewed.v1", shown, decision_id, seconds=9)
        places = choice.clicks(rows, self.affinity, self.shelf, sensitivity=self.sensitivity, most=most, rng=self.rng)
        for place in sorted(places):
            self.open_product(int(rows[place]), surface, decision_id, place)
        return [int(rows[place]) for place in places]

    def open_product(self, row: int, surface: str, decision_id: str | None = None, position: int | None = None) -> None:
        """Open a product page, perhaps put the product into the basket."""
        viewed: dict[str, Any] = {"product_id": self.product_ids[row], "surface": surface}
        if position is not None:
            viewed["position"] = position
        self._note("storefront.product.viewed.v1", viewed, decision_id, seconds=22)
        self.viewed.append(row)
        if row in self.basket or len(self.basket) >= MOST_LINES:
            return
        wish = choice.cart_probability(row, self.affinity, self.shelf, self.sensitivity, self.budget)
        if self.rng.random() < wish:
            quantity = 1 + int(self.rng.random() < 0.16) + int(self.rng.random() < 0.04)
            self.basket[row] = quantity
            added = {"product_id": self.product_ids[row], "quantity": quantity}
            self._note("storefront.cart.added.v1", added, decision_id, seconds=6)

    def search(self, query: str, results: int) -> None:
        """Type words into the search box."""
        self._note("storefront.search.performed.v1", {"query": query[:200], "results": results}, None, seconds=7)

    def decide(self) -> bool:
        """At the end: put back what the purse does not allow, then buy or leave."""
        while len(self.basket) > 1 and self.value() > 2.5 * self.budget:
            dearest = max(self.basket, key=lambda row: float(self.shelf.price[row]))
            del self.basket[dearest]
            self._note("storefront.cart.removed.v1", {"product_id": self.product_ids[dearest]}, None, seconds=5)
        if not self.basket or self.rng.random() > CHECKOUT:
            return False
        self._note("storefront.checkout.started.v1", {"cart_value": round(self.value(), 2)}, None, seconds=12)
        return True

    def value(self) -> float:
        return float(sum(self.shelf.price[row] * quantity for row, quantity in self.basket.items()))

    def take_events(self) -> list[dict[str, Any]]:
        """What happened since the last call, to be posted."""
        events, self.events = self.events, []
        return events

    def _note(self, event_type: str, data: dict[str, Any], decision_id: str | None, seconds: float) -> None:
        data = {"session": self.session, **data}
        if decision_id is not None:
            data["decision_id"] = decision_id
        pause = timedelta(seconds=1 + float(self.rng.exponential(seconds)))
        self.moment += min(pause, (self.latest - self.moment) / 10)  # who stays long gets hasty: clocks must agree
        self.events.append(
            {"event_id": str(new_id()), "event_type": event_type, "occurred_at": iso(self.moment), "data": data}
        )
