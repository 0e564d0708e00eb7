"""Measures elasticities by time: learnt up to T, tested on how the sales of later days spread over products.

Given what each later day sold in all, a model says how that spreads over the products in stock; the same without any effect of
price is the baseline. The figure is the Poisson deviance per unit sold, less is better. Where there are exploration days, only
they are tested: on other days the price follows demand, and a wrong model that mistakes that for an effect would win. Where
there are none, both predictions also use what the product sold in the days before, which is what the price followed; how
much that tells is learnt before T by each for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.errors import TooLittleData
from models.pricing.demand import Rates, rates
from models.pricing.elasticity import (
    MINIMUM_EXPLORED_UNITS,
    MOST_ROWS,
    NAME,
    OUTLIER,
    Elasticities,
    best_selling,
    estimate,
    fit_poisson,
    recent_demand,
)
from models.pricing.panel import Floats, Panel
from models.split import as_moment, as_numpy

MINIMUM_TEST_UNITS = 10


@dataclass(frozen=True)
class Rows:
    """Rows with their expected units at the base price, and recent demand where it is to be used."""

    panel: Panel
    expected: Floats
    recent: Floats


@dataclass(frozen=True)
class HeldOut:
    """Elasticities of the past and the later rows that they are measured on."""

    model: Elasticities
    split_at: datetime
    past: Rows
    test: Rows
    tested_on: str
    is_fair_to_champion: bool


def hold_out(panel: Panel, *, held_out: float = 0.25, champion_as_of: datetime | None = None) -> HeldOut:
    """Split by days of trade, learn before, collect the test after. Raises TooLittleData."""
    if len(panel.days) < 4:
        raise TooLittleData(NAME, f"{len(panel.days)} days of trade; 4 are needed to hold some out")
    cut = min(len(panel.days) - 1, max(3, round(len(panel.days) * (1 - held_out))))
    model = estimate(panel.where(panel.day < cut).until(cut))
    usable = panel.in_stock & (np.abs(panel.log_price) < OUTLIER)
    later = usable & (panel.day >= cut)
    rows, tested_on = later & panel.is_exploration, "exploration days"
    if panel.units[rows].sum() < MINIMUM_EXPLORED_UNITS / 2:
        rows, tested_on = later, "all days"
    sold = panel.units[rows].sum()
    if sold < MINIMUM_TEST_UNITS:
        days = len(panel.days) - cut
        raise TooLittleData(NAME, f"{sold:.0f} units sold on the last {days} days; {MINIMUM_TEST_UNITS} are needed")

    before = panel.day < cut
    level = rates(panel, before, model.means(panel.categories))
    expected = Rates(level.of_product, np.ones(len(panel.days))).expected(panel)
    recent = recent_demand(panel, expected) if tested_on == "all days" else np.zeros((panel.rows, 0))
    past = usable & before & best_selling(panel, MOST_ROWS)
    begin = panel.days[cut].astype("datetime64[us]")
    return HeldOut(
        model,
        as_moment(begin),
        Rows(panel.where(past), expected[past], recent[past]),
        Rows(panel.where(rows), expected[rows], recent[rows]),
        tested_on,
        champion_as_of is not None and as_numpy(champion_as_of) <= begin,
    )


def evaluate(held_out: HeldOut) -> dict[str, float]:
    """Deviance per unit of the model and of no effect of price, and the standard error of their difference."""
    with_price = _deviances(held_out, held_out.model)
    without = _deviances(held_out, None)
    units = float(held_out.test.panel.units.sum())
    difference = with_price - without
    error = float(np.std(difference) * np.sqrt(len(difference)))
    return {
        "deviance": float(with_price.sum()) / units,
        "no_price_deviance": float(without.sum()) / units,
        "deviance_difference_error": error / units,
        "test_units": units,
        "test_rows": float(held_out.test.panel.rows),
    }


def deviance(held_out: HeldOut, model: Elasticities) -> float:
    """Deviance per unit of any elasticities on the same rows."""
    return float(_deviances(held_out, model).sum()) / float(held_out.test.panel.units.sum())


def _deviances(held_out: HeldOut, model: Elasticities | None) -> Floats:
    test = held_out.test
    log_mean = _log_mean(test, model)
    if test.recent.shape[1]:
        past, nothing = held_out.past, np.zeros(test.recent.shape[1])
        one_group = np.zeros(past.panel.rows, dtype=np.int64)
        told, _ = fit_poisson(
            past.panel.units, _log_mean(past, model), past.recent, one_group, prior=nothing, centre=nothing
        )
        log_mean = log_mean + test.recent @ told
    mean, day = np.exp(log_mean), test.panel.day
    sold = np.bincount(day, test.panel.units)
    expected = np.bincount(day, mean)
    mean = np.maximum(mean * (sold / np.maximum(expected, 1e-12))[day], 1e-9)
    return _poisson_deviance(test.panel.units, mean)


def _log_mean(rows: Rows, model: Elasticities | None) -> Floats:
    if model is None:
        return np.log(rows.expected)
    elasticity = model.means(rows.panel.categories)[rows.panel.category]
    return np.asarray(np.log(rows.expected) + elasticity * rows.panel.log_price, dtype=float)


def _poisson_deviance(units: Floats, mean: Floats) -> Floats:
    sold = units > 0
    ratio = np.where(sold, units, 1.0) / mean
    return 2.0 * (np.where(sold, units * np.log(ratio), 0.0) - (units - mean))
