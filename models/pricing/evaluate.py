"""Measures elasticities by time: learnt up to T, tested on how the sales of later days spread over products.

Given what each later day sold in all, a model says how that spreads over the products in stock; the same without any effect of
price is the baseline. The figure is the Poisson deviance per unit sold, less is better. Where there are exploration days, only
they are tested: on other days the price follows demand, and a wrong model that mistakes that for an effect would win.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.errors import TooLittleData
from models.pricing.demand import Rates, rates
from models.pricing.elasticity import MINIMUM_EXPLORED_UNITS, NAME, OUTLIER, Elasticities, estimate
from models.pricing.panel import Bools, Floats, Panel
from models.split import as_moment, as_numpy

MINIMUM_TEST_UNITS = 10


@dataclass(frozen=True)
class HeldOut:
    """Elasticities of the past and the later rows that they are measured on."""

    model: Elasticities
    split_at: datetime
    test: Panel
    expected: Floats
    """Units of the test rows at base price by the rates of the past."""
    tested_on: str
    is_fair_to_champion: bool


def hold_out(panel: Panel, *, held_out: float = 0.25, champion_as_of: datetime | None = None) -> HeldOut:
    """Split by days of trade, learn before, collect the test after. Raises TooLittleData."""
    if len(panel.days) < 4:
        raise TooLittleData(NAME, f"{len(panel.days)} days of trade; 4 are needed to hold some out")
    cut = min(len(panel.days) - 1, max(3, round(len(panel.days) * (1 - held_out))))
    past = panel.where(panel.day < cut)
    model = estimate(past)
    later = (panel.day >= cut) & panel.in_stock & (np.abs(panel.log_price) < OUTLIER)
    rows, tested_on = later & panel.is_exploration, "exploration days"
    if panel.units[rows].sum() < MINIMUM_EXPLORED_UNITS / 2:
        rows, tested_on = later, "all days"
    test = panel.where(rows)
    if test.units.sum() < MINIMUM_TEST_UNITS:
        raise TooLittleData(
            NAME,
            f"{test.units.sum():.0f} units sold on the last {len(panel.days) - cut} days; {MINIMUM_TEST_UNITS} needed",
        )
    level = rates(panel, panel.day < cut, model.means(panel.categories))
    expected = Rates(level.of_product, np.ones(len(panel.days))).expected(test)
    begin = panel.days[cut].astype("datetime64[us]")
    fair = champion_as_of is not None and as_numpy(champion_as_of) <= begin
    return HeldOut(model, as_moment(begin), test, expected, tested_on, fair)


def evaluate(held_out: HeldOut) -> dict[str, float]:
    """Deviance per unit of the model and of no effect of price, and the standard error of their difference."""
    test = held_out.test
    with_price = _deviances(held_out, held_out.model)
    without = _deviances(held_out, None)
    units = float(test.units.sum())
    difference = with_price - without
    error = float(np.std(difference) * np.sqrt(len(difference)))
    return {
        "deviance": float(with_price.sum()) / units,
        "no_price_deviance": float(without.sum()) / units,
        "deviance_difference_error": error / units,
        "test_units": units,
        "test_rows": float(test.rows),
    }


def deviance(held_out: HeldOut, model: Elasticities) -> float:
    """Deviance per unit of any elasticities on the same rows."""
    return float(_deviances(held_out, model).sum()) / float(held_out.test.units.sum())


def _deviances(held_out: HeldOut, model: Elasticities | None) -> Floats:
    test = held_out.test
    means = np.zeros(len(test.categories)) if model is None else model.means(test.categories)
    mean = held_out.expected * np.exp(means[test.category] * test.log_price)
    sold = np.bincount(test.day, test.units, len(test.days))
    expected = np.bincount(test.day, mean, len(test.days))
    mean = np.maximum(mean * (sold / np.maximum(expected, 1e-12))[test.day], 1e-9)
    return _poisson_deviance(test.units, mean, test.units > 0)


def _poisson_deviance(units: Floats, mean: Floats, sold: Bools) -> Floats:
    ratio = np.where(sold, units, 1.0) / mean
    return 2.0 * (np.where(sold, units * np.log(ratio), 0.0) - (units - mean))
