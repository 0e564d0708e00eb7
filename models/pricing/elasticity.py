"""What price does to demand: elasticities of categories, from prices that were drawn at random.

The trouble: prices follow demand. What sells well today becomes dearer tomorrow and goes on selling well, so a regression over
all days finds that dear products sell. Two answers, the first wherever it can be had:

- *Exploration.* On a share of the product-days the price was drawn at random, independently of everything else that moves
  demand. Units of these days are regressed on log(price / base) by Poisson pseudo maximum likelihood (Santos Silva & Tenreyro
  2006) with category intercepts, given the demand expected from all other days. With the random draw as the instrument this is
  the moment condition of Mullahy (1997) and Windmeijer & Santos Silva (1997), in which days without a draw have weight zero.
- *Observation.* Without exploration days: Poisson with product effects (profiled out) and day effects over all days, with the
  product's recent demand, which the price follows, as controls. What they miss remains, so the estimate counts as possibly
  off by ``OBSERVED_BIAS`` whatever its standard error, and most of it comes from the literature.

Categories are shrunk to the common mean by empirical Bayes (DerSimonian & Laird 1986 for the spread between them), and the mean
towards the meta-analysis of Bijmolt, van Heerde & Pieters (2005): -2.62, as far as the data leave it open. Standard errors take
overdispersion into account.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import TooLittleData
from models.pricing.demand import rates
from models.pricing.panel import Bools, Floats, Ints, Panel

NAME = "pricing"
PRIOR_MEAN, PRIOR_SD = -2.62, 1.0
LEAST_SPREAD = 0.25
"""Categories differ at least by this standard deviation, however alike few data make them look."""
RECENT_DAYS = (1, 3, 7, 21)
"""Windows of recent demand that an observed price may have followed."""
MINIMUM_UNITS = 30
MINIMUM_EXPLORED_UNITS = 30
OBSERVED_BIAS = 1.5
"""Standard deviation of what confounders that the controls miss do to an observational estimate."""
MOST_ROWS = 200_000
"""Product-days that an observational fit looks at, of the products that sell most: enough, and seconds."""
OUTLIER = 0.7
"""Log prices further than this from base (half, double) are stock-clearing or errors and are not learnt from."""


@dataclass(frozen=True)
class Estimate:
    """An elasticity and its standard deviation."""

    mean: float
    sd: float
    units: float = 0.0
    """Units on the days that it was learnt from."""


@dataclass(frozen=True)
class Elasticities:
    """Per category, and the common mean for categories without data."""

    method: str
    overall: Estimate
    by_category: dict[str, Estimate]
    dispersion: float = 1.0

    def of(self, category: str) -> Estimate:
        return self.by_category.get(category, self.overall)

    def means(self, categories: list[str]) -> Floats:
        return np.array([self.of(category).mean for category in categories])

    def sds(self, categories: list[str]) -> Floats:
        return np.array([self.of(category).sd for category in categories])

    def save(self, folder: Path) -> None:
        """Write what ``load`` reads, into an existing folder."""
        (folder / "elasticities.json").write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, folder: Path) -> Elasticities:
        read: dict[str, Any] = json.loads((folder / "elasticities.json").read_text())
        by_category = {name: Estimate(**estimate) for name, estimate in read["by_category"].items()}
        return cls(read["method"], Estimate(**read["overall"]), by_category, read["dispersion"])


def estimate(panel: Panel) -> Elasticities:
    """Elasticities of all categories. Raises TooLittleData where hardly anything sold."""
    if panel.units.sum() < MINIMUM_UNITS or len(panel.days) < 3:
        raise TooLittleData(
            NAME,
            f"{panel.units.sum():.0f} units sold on {len(panel.days)} days; {MINIMUM_UNITS} units on 3 days are needed",
        )
    usable = panel.in_stock & (np.abs(panel.log_price) < OUTLIER)
    explored = usable & panel.is_exploration
    if panel.units[explored].sum() >= MINIMUM_EXPLORED_UNITS and np.ptp(panel.log_price[explored]) > 0.01:
        return _from_exploration(panel, usable, explored)
    return _from_observation(panel, usable)


def _from_exploration(panel: Panel, usable: Bools, explored: Bools) -> Elasticities:
    """Expected demand depends a little on the elasticity itself (prices of other days), so it is found in a few rounds."""
    found = Elasticities("exploration", Estimate(PRIOR_MEAN, PRIOR_SD), {})
    draws = panel.where(explored)
    for _ in range(3):
        means = found.means(panel.categories)
        offset = np.log(rates(panel, usable & ~panel.is_exploration, means).expected(draws))
        found = _shrunk("exploration", draws, offset, draws.log_price[:, None], draws.category)
    return found


def _from_observation(panel: Panel, usable: Bools) -> Elasticities:
    usable &= best_selling(panel, MOST_ROWS)
    days = rates(panel, usable, np.zeros(len(panel.categories)))
    recent = recent_demand(panel, days.expected(panel))
    rows = panel.where(usable)
    offset = np.log(days.expected(rows))
    columns = np.column_stack([rows.log_price, recent[usable]])
    return _shrunk("observation", rows, offset, columns, rows.product, bias=OBSERVED_BIAS)


def _shrunk(
    method: str, rows: Panel, offset: Floats, columns: Floats, group: Ints, *, bias: float = 0.0
) -> Elasticities:
    """Common elasticity with its prior, then each category's by one Newton step from it, then empirical Bayes."""
    overall, beta, dispersion = _common(rows, offset, columns, group, bias)
    expected = group_expected(rows.units, offset + columns @ beta, group)
    centred = columns[:, 0] - _group_mean(columns[:, 0], expected, group)
    count = len(rows.categories)
    score = np.bincount(rows.category, (rows.units - expected) * centred, count)
    precision = np.bincount(rows.category, expected * centred**2, count) / dispersion
    known = precision > 1e-6
    own = np.where(known, score / dispersion / np.where(known, precision, 1.0), 0.0)  # distance from the common mean
    spread = _spread(own[known], precision[known])
    share = spread**2 / (spread**2 + 1.0 / np.where(known, precision, 1e-6))
    # what is wrong with the mean is corrected by a category's own data, unless it is wrong in all of them alike
    carried = 1.0 if bias else (1 - share) ** 2
    variance = share / np.where(known, precision, 1e-6) + carried * overall.sd**2
    units = np.bincount(rows.category, rows.units, count)
    by_category = {
        name: Estimate(float(overall.mean + share[c] * own[c]), float(np.sqrt(variance[c])), float(units[c]))
        for c, name in enumerate(rows.categories)
    }
    return Elasticities(method, overall, by_category, float(dispersion))


def _common(rows: Panel, offset: Floats, columns: Floats, group: Ints, bias: float) -> tuple[Estimate, Floats, float]:
    """The elasticity that all categories share, the coefficients it came with, and the dispersion."""
    prior, centre = np.zeros(columns.shape[1]), np.zeros(columns.shape[1])
    prior[0], centre[0] = (0.0 if bias else 1.0 / PRIOR_SD**2), PRIOR_MEAN
    dispersion = 1.0
    beta = centre
    for _ in range(2):  # the first fit tells the dispersion, which weighs data against prior in the second
        beta, information = fit_poisson(
            rows.units, offset, columns, group, prior=prior * dispersion, centre=centre, start=beta
        )
        expected = group_expected(rows.units, offset + columns @ beta, group)
        dispersion = _dispersion(rows.units, expected, len(np.unique(group)) + len(beta))
    mean, variance = float(beta[0]), float(dispersion * np.linalg.inv(information)[0, 0])
    if bias:
        own, literature = 1.0 / (variance + bias**2), 1.0 / PRIOR_SD**2
        mean = (own * mean + literature * PRIOR_MEAN) / (own + literature)
        variance = 1.0 / (own + literature)
    return Estimate(mean, float(np.sqrt(variance)), float(rows.units.sum())), beta, dispersion


def fit_poisson(
    units: Floats,
    offset: Floats,
    columns: Floats,
    group: Ints,
    *,
    prior: Floats,
    centre: Floats,
    start: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Coefficients and information of a Poisson regression with group intercepts profiled out and a normal prior."""
    beta = (centre if start is None else start).copy()
    information = np.diag(prior)
    for _ in range(30):
        expected = group_expected(units, offset + columns @ beta, group)
        centred = columns - np.column_stack([_group_mean(column, expected, group) for column in columns.T])
        information = (centred.T * expected) @ centred + np.diag(prior) + 1e-9 * np.eye(len(beta))
        score = columns.T @ (units - expected) - prior * (beta - centre)
        step = np.clip(np.linalg.solve(information, score), -2.0, 2.0)
        beta = beta + step
        if np.abs(step).max() < 1e-6:
            break
    return beta, information


def group_expected(units: Floats, log_mean: Floats, group: Ints) -> Floats:
    """Poisson means whose sum in each group is what the group sold: the intercepts at their maximum."""
    raw = np.exp(log_mean - log_mean.max())
    sold = np.bincount(group, units)
    total = np.bincount(group, raw)
    return np.asarray(raw * (sold / np.maximum(total, 1e-300))[group], dtype=float)


def _group_mean(values: Floats, weights: Floats, group: Ints) -> Floats:
    return np.asarray((np.bincount(group, weights * values) / np.maximum(np.bincount(group, weights), 1e-300))[group])


def _dispersion(units: Floats, expected: Floats, parameters: int) -> float:
    """Pearson's estimate, at least 1. Rows that expect next to nothing are left out: one unit there is no evidence."""
    telling = expected > 1e-3
    freedom = max(int(telling.sum()) - parameters, 1)
    return max(1.0, float(((units - expected)[telling] ** 2 / expected[telling]).sum()) / freedom)


def _spread(own: Floats, precision: Floats) -> float:
    """Standard deviation of true elasticities between categories, by DerSimonian & Laird."""
    if len(own) < 2:
        return LEAST_SPREAD
    mean = np.average(own, weights=precision)
    q = float((precision * (own - mean) ** 2).sum())
    denominator = precision.sum() - (precision**2).sum() / precision.sum()
    return max(LEAST_SPREAD, float(np.sqrt(max(0.0, (q - (len(own) - 1)) / max(denominator, 1e-9)))))


def best_selling(panel: Panel, most_rows: int) -> Bools:
    """Rows of the products that sell most, so many that there are about ``most_rows``."""
    sold = np.bincount(panel.product, panel.units, len(panel.product_ids))
    order = np.argsort(-sold, kind="stable")
    days = np.cumsum(np.bincount(panel.product, minlength=len(panel.product_ids))[order])
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[: max(1, int(np.searchsorted(days, most_rows, side="right")))]] = True
    return np.asarray(chosen[panel.product], dtype=bool)


def recent_demand(panel: Panel, expected: Floats, windows: tuple[int, ...] = RECENT_DAYS) -> Floats:
    """log of units sold over units expected in the days before each row, of the same product: a column per window."""
    sold_before, expected_before = _before(panel.units), _before(expected)
    start = np.searchsorted(panel.product, np.arange(len(panel.product_ids)))[panel.product]
    here = np.arange(panel.rows)
    columns = []
    for window in windows:
        first = np.maximum(start, here - window)
        sold = sold_before[here] - sold_before[first]
        usual = expected_before[here] - expected_before[first]
        columns.append(np.log((sold + 1.0) / (usual + 1.0)))
    return np.column_stack(columns)


def _before(values: Floats) -> Floats:
    """Sum of all rows before each row (one longer than the values)."""
    return np.concatenate([[0.0], np.cumsum(values)])
