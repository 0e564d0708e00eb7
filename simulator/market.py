"""The market around the shop: its own price moves, competitors' prices, suppliers' deliveries.

The shop's history holds two kinds of price moves: those that follow demand (which mislead whoever takes them for an
experiment) and, on a tenth of the product-days, a random price within ±10 % (from which an elasticity can be
learned).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.choice import Floats, Shelf
from simulator.tastes import Listed, direction

EXPLORED_SHARE = 0.1
EXPLORATION = 0.10
DEMAND_STEP = 0.02
DEMAND_LIMIT = 0.08
COMPETITOR_NOISE = 0.012
ORDER_UP_TO_DAYS = 16
WAREHOUSE = "central"


@dataclass(slots=True)
class Market:
    """State of all products, by row. ``base`` is the list price; factors are what the shop charges of it."""

    product_ids: list[str]
    row_of: dict[str, int]
    category_of: NDArray[np.intp]
    categories: list[str]
    base: Floats
    price: Floats
    competitor: Floats
    available: NDArray[np.bool_]
    appeal: Floats
    elasticity: Floats
    demand_factor: Floats
    decided_by_shop: NDArray[np.bool_]
    """Where a merchandiser has set the price, demand moves keep their hands off."""
    explored: NDArray[np.bool_]
    sold: Floats
    """Smoothed units a day."""
    sold_today: Floats
    sold_since_delivery: Floats
    late_supplier: NDArray[np.bool_]
    rng: np.random.Generator

    @classmethod
    def open(cls, products: Sequence[Listed], bases: Sequence[float], seed: int) -> Market:
        """The market for a catalogue. Appeal and elasticity belong to product and category, not to the run."""
        rng = np.random.default_rng([seed, 2])
        categories = sorted({product.category for product in products})
        index = {category: number for number, category in enumerate(categories)}
        category_of = np.array([index[product.category] for product in products], dtype=np.intp)
        base = np.array(bases, dtype=np.float64)
        price = np.array([product.price for product in products], dtype=np.float64)
        count = len(products)
        leanings = [float(direction("elasticity", category)[0]) for category in categories]
        by_category = 1.0 + 0.45 * np.tanh(4.0 * np.array(leanings))
        return cls(
            product_ids=[product.product_id for product in products],
            row_of={product.product_id: row for row, product in enumerate(products)},
            category_of=category_of,
            categories=categories,
            base=base,
            price=price,
            competitor=base * np.exp(rng.normal(0.02, 0.06, count)),
            available=np.ones(count, dtype=bool),
            appeal=np.array([0.8 * float(direction("appeal", p.title)[0]) for p in products]),
            elasticity=by_category[category_of],
            demand_factor=np.clip(price / base, 1 - DEMAND_LIMIT, 1 + DEMAND_LIMIT),
            decided_by_shop=np.zeros(count, dtype=bool),
            explored=np.zeros(count, dtype=bool),
            sold=np.zeros(count),
            sold_today=np.zeros(count),
            sold_since_delivery=np.zeros(count),
            late_supplier=rng.random(count) < 0.04,
            rng=rng,
        )

    def shelf(self) -> Shelf:
        """What shoppers see now."""
        return Shelf(self.price, self.base, self.competitor, self.available, self.appeal, self.elasticity)

    def sell(self, row: int, quantity: int) -> None:
        self.sold_today[row] += quantity
        self.sold_since_delivery[row] += quantity

    def notice_decision(self, product_id: str, price: float) -> None:
        """A merchandiser (or a proposal that needed none) set this price: it is charged, and no longer ours to move."""
        row = self.row_of[product_id]
        self.price[row] = price
        self.demand_factor[row] = price / self.base[row]
        self.decided_by_shop[row] = True
        self.explored[row] = False

    def morning(self) -> list[dict[str, Any]]:
        """The day's price changes, as ``POST /pricing/changes`` takes them: demand's, trials that end and begin."""
        self._follow_demand()
        self._competitors_move()
        yesterday = self.explored
        self.explored = np.zeros(len(self.price), dtype=bool)
        trial = self.rng.choice(len(self.price), size=round(EXPLORED_SHARE * len(self.price)), replace=False)
        self.explored[trial] = True
        drawn = 1 + self.rng.uniform(-EXPLORATION, EXPLORATION, len(self.price))
        factor = np.where(self.explored, drawn, self.demand_factor)
        current = self.price / self.base
        changed = self.explored | yesterday | ((np.abs(factor / current - 1) > 0.006) & ~self.decided_by_shop)
        return [
            {
                "product_id": self.product_ids[row],
                "factor": round(float(factor[row]), 4),
                "reason": "exploration" if self.explored[row] else "demand",
            }
            for row in np.flatnonzero(changed)
        ]

    def accept(self, changes: Sequence[dict[str, Any]], answered: Sequence[dict[str, Any]]) -> None:
        """The shop took the changes: charge what it answered, or the factor where it did not say."""
        told = {item["product_id"]: float(item["price"]) for item in answered if "price" in item}
        for change in changes:
            row = self.row_of[change["product_id"]]
            self.price[row] = told.get(change["product_id"], round(self.base[row] * change["factor"], 2))

    def _follow_demand(self) -> None:
        """What sold better than it usually does becomes a step dearer, what sold worse a step cheaper; most stays."""
        surprise = self.sold_today - self.sold
        moved = self.rng.random(len(self.price)) < 0.25
        step = np.where(moved, np.sign(np.round(surprise)) * DEMAND_STEP, 0.0)
        step -= 0.1 * (self.demand_factor - 1)
        limited = np.clip(self.demand_factor + step, 1 - DEMAND_LIMIT, 1 + DEMAND_LIMIT)
        self.demand_factor = np.where(self.decided_by_shop, self.demand_factor, limited)
        self.sold = 0.8 * self.sold + 0.2 * self.sold_today
        self.sold_today = np.zeros(len(self.price))

    def _competitors_move(self) -> None:
        """A random walk that is pulled back to the list price."""
        distance = np.log(self.competitor / self.base)
        noise = self.rng.normal(0, COMPETITOR_NOISE, len(self.base))
        self.competitor = self.base * np.exp(0.93 * distance + 0.07 * 0.02 + noise)

    def deliveries(self) -> list[dict[str, Any]]:
        """Receipts of the day, as ``POST /inventory/receipts`` takes them; a few suppliers are often late."""
        ready = np.where(self.late_supplier, self.rng.random(len(self.base)) < 0.15, True)
        due = ready & ((self.sold_since_delivery >= 8) | ~self.available)
        receipts = [
            {
                "product_id": self.product_ids[row],
                "warehouse": WAREHOUSE,
                "quantity": int(self.sold_since_delivery[row] + np.ceil(self.sold[row] * ORDER_UP_TO_DAYS) + 5),
            }
            for row in np.flatnonzero(due)
        ]
        self.sold_since_delivery[due] = 0
        self.available |= due
        return receipts
