"""How much sells at the base price: rates of products and days, and expected sales out of a limited stock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.pricing.panel import Bools, Floats, Panel

PRIOR_DAYS = 5.0
"""A product's rate is drawn towards its category's as if that had been seen on so many days (gamma prior)."""


@dataclass(frozen=True)
class Rates:
    """Units a day at the base price, by product, and each day's multiple of it (mean 1)."""

    of_product: Floats
    of_day: Floats

    def expected(self, panel: Panel) -> Floats:
        """Expected units of each row at the base price."""
        return self.of_product[panel.product] * self.of_day[panel.day]


def rates(
    panel: Panel, use: Bools, elasticity: Floats, *, half_life_days: float | None = None, rounds: int = 3
) -> Rates:
    """Estimate rates from the rows ``use``, prices taken out by the elasticity of each category.

    With a half-life, days long past count less: for what sells now, not what sold on average.
    """
    weight = np.where(use & panel.in_stock, 1.0, 0.0)
    if half_life_days is not None:
        weight *= 0.5 ** ((len(panel.days) - 1 - panel.day) / half_life_days)
    price = np.exp(elasticity[panel.category] * panel.log_price)
    products, days = len(panel.product_ids), len(panel.days)
    of_day = np.ones(days)
    sold = np.bincount(panel.product, weight * panel.units, products).astype(float)
    for _ in range(rounds):
        exposure = np.bincount(panel.product, weight * price * of_day[panel.day], products).astype(float)
        in_category = _shares(sold, panel, exposure)
        of_product = (sold + PRIOR_DAYS * in_category) / (exposure + PRIOR_DAYS)
        expected = weight * of_product[panel.product] * price
        sold_on = np.bincount(panel.day, weight * panel.units, days)
        expected_on = np.bincount(panel.day, expected, days)
        typical = max(expected_on.mean(), 1e-9)
        of_day = (sold_on + 0.1 * typical) / (expected_on + 0.1 * typical)
        of_day /= np.average(of_day, weights=expected_on + 1e-9)
    return Rates(np.maximum(of_product, 1e-6), np.maximum(of_day, 1e-3))


def _shares(sold: Floats, panel: Panel, exposure: Floats) -> Floats:
    """Mean rate of each product's category, for each product."""
    categories = len(panel.categories)
    units = np.bincount(panel.category_of, sold, categories)
    days = np.bincount(panel.category_of, exposure, categories)
    overall = sold.sum() / max(exposure.sum(), 1e-9)
    return np.asarray(((units + overall) / (days + 1.0))[panel.category_of], dtype=float)


def expected_sales(demand: Floats, stock: Floats) -> Floats:
    """Mean of min(D, stock) for Poisson demand with these means: E = d·P(D ≤ s-1) + s·P(D > s)."""
    from scipy.special import gammaincc

    whole = np.floor(np.maximum(stock, 0.0))
    below = np.where(whole >= 1, gammaincc(np.maximum(whole, 1), demand), 0.0)  # P(D ≤ s-1)
    up_to = gammaincc(whole + 1, demand)  # P(D ≤ s)
    return np.asarray(demand * below + whole * (1.0 - up_to), dtype=float)
