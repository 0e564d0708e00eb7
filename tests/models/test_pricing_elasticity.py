"""Elasticities on worlds whose truth is known: prices that follow demand mislead a regression, exploration does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import TooLittleData
from models.pricing.elasticity import Elasticities, estimate, fit_poisson
from models.pricing.evaluate import evaluate, hold_out
from models.pricing.panel import Panel, panel

TRUE = {"home": -3.0, "toys": -1.2, "garden": -2.0}
FIRST = date(2026, 1, 1)


def world(
    *,
    products: int = 120,
    days: int = 60,
    exploration: float = 0.1,
    rate: float = 3.0,
    seed: int = 1,
    whim: float = 0.0,
) -> tuple[pa.Table, datetime]:
    """Product days of a shop whose demand drifts slowly and whose prices follow the sales of the days before."""
    rng = np.random.default_rng(seed)
    categories = np.array(list(TRUE))[np.arange(products) % 3]
    elasticity = np.array([TRUE[category] for category in categories])
    level = np.log(rate) + rng.normal(0, 0.5, products)
    drift, followed = np.zeros(products), np.zeros(products)
    rows: list[tuple[object, ...]] = []
    for day in range(days):
        drift = 0.95 * drift + rng.normal(0, 0.25, products)  # what is in fashion stays so for a while
        explored = rng.random(products) < exploration
        drawn = np.log(rng.uniform(0.9, 1.1, products))
        log_price = np.where(explored, drawn, followed + rng.normal(0, whim, products) if whim else followed)
        weekday = 0.2 * np.sin(2 * np.pi * day / 7)
        units = rng.poisson(np.exp(level + drift + weekday + elasticity * log_price))
        surprise = np.log((units + 1) / (np.exp(level) + 1))
        followed = np.clip(0.7 * followed + 0.06 * surprise, np.log(0.8), np.log(1.2))
        rows.extend(
            (f"p{p:03}", FIRST + timedelta(days=day), str(categories[p]), float(np.exp(log_price[p]) * 10), 10.0,
             bool(explored[p]), int(units[p]))
            for p in range(products)
        )  # fmt: skip
    names = ("product_id", "day", "category_path", "price", "base_price", "is_exploration", "units")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    table = pa.table({**columns, "available": pa.nulls(len(rows), pa.int64())})
    return table, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)


def naive(days: Panel) -> float:
    """The elasticity that a regression over all days with product effects would tell."""
    beta, _ = fit_poisson(
        days.units, np.zeros(days.rows), days.log_price[:, None], days.product, prior=np.zeros(1), centre=np.zeros(1)
    )
    return float(beta[0])


@pytest.fixture(scope="module")
def large() -> Panel:
    return panel(*world(products=300, rate=8.0))


def test_naive_regression_is_biased_and_exploration_is_not(large: Panel) -> None:
    truth = float(np.mean(list(TRUE.values())))
    found = estimate(large)
    assert found.method == "exploration"
    assert naive(large) > truth + 0.8, "the world must mislead a naive regression, or this test shows nothing"
    assert found.overall.mean == pytest.approx(truth, abs=0.35)
    assert abs(found.overall.mean - truth) < 3 * found.overall.sd
    for category, elasticity in TRUE.items():
        assert abs(found.of(category).mean - elasticity) < 3 * found.of(category).sd
        assert found.of(category).sd < 0.5


def test_categories_are_told_apart(large: Panel) -> None:
    found = estimate(large)
    assert found.of("home").mean < found.of("garden").mean < found.of("toys").mean


def test_without_exploration_controls_remove_most_of_the_bias_and_doubt_remains() -> None:
    days = panel(*world(products=300, rate=8.0, exploration=0.0, whim=0.03))
    truth = float(np.mean(list(TRUE.values())))
    found = estimate(days)
    assert found.method == "observation"
    assert naive(days) > truth + 0.8
    assert abs(found.overall.mean - truth) < 0.5 * abs(naive(days) - truth)
    assert found.overall.sd > 0.5


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = []
    for seed in range(8):
        found = estimate(panel(*world(products=90, days=30, seed=seed)))
        covered += [abs(found.of(c).mean - e) < 1.96 * found.of(c).sd for c, e in TRUE.items()]
    assert np.mean(covered) >= 0.75


def test_little_data_stays_near_the_literature_and_says_how_unsure_it_is() -> None:
    found = estimate(panel(*world(products=12, days=12, rate=0.8)))
    assert found.overall.mean == pytest.approx(-2.62, abs=0.7)
    assert found.overall.sd > 0.6


def test_no_sales_is_too_little_data() -> None:
    table, as_of = world(products=5, days=5, rate=0.001)
    with pytest.raises(TooLittleData, match="units sold"):
        estimate(panel(table, as_of))


def test_unknown_category_gets_the_common_mean_and_files_read_back(large: Panel, tmp_path: Path) -> None:
    found = estimate(large)
    found.save(tmp_path)
    assert Elasticities.load(tmp_path) == found
    assert found.of("never seen") == found.overall


def test_missing_days_are_filled_with_no_sales_at_the_last_price() -> None:
    table = pa.table(
        {
            "product_id": ["a", "a", "b", "b", "b"],
            "day": [date(2026, 1, d) for d in (1, 4, 1, 2, 3)],
            "category_path": ["x"] * 5,
            "price": [11.0, 9.0, 5.0, 5.0, 5.0],
            "base_price": [10.0, 10.0, 5.0, 5.0, 5.0],
            "is_exploration": [True, False, False, False, False],
            "units": [2, 1, 0, 3, 1],
            "available": [5, 5, 0, 0, None],
        }
    )
    days = panel(table, datetime(2026, 1, 5, 12, tzinfo=UTC))
    of_a = days.product == 0
    assert days.units[of_a].tolist() == [2, 0, 0, 1]
    assert np.exp(days.log_price[of_a]).tolist() == pytest.approx([1.1, 1.1, 1.1, 0.9])
    assert days.is_exploration[of_a].tolist() == [True, False, False, False]
    assert days.in_stock[~of_a].tolist() == [False, True, True, True]  # sold out without a sale tells nothing


def test_held_out_days_prefer_the_true_effect_of_price(large: Panel) -> None:
    held_out = hold_out(large)
    assert held_out.tested_on == "exploration days"
    figures = evaluate(held_out)
    assert figures["deviance"] < figures["no_price_deviance"]
    assert figures["test_units"] > 1000


def test_orange_juice_elasticity_is_that_of_the_literature(real_data: Callable[[str], Path]) -> None:
    """Dominick's brands 1, 5 and 10: OLS of log sales on brand and log price gives -3.1387; ours, Poisson with brand
    effects on unit sales, agrees in size."""
    rows = pq.read_table(real_data("pricing/orange_juice_sales.parquet")).to_pandas()
    rows = rows[rows.brand.isin((1, 5, 10))]
    assert len(rows) == 28_947
    log_price = np.log(rows.price_unit.to_numpy())
    brands = np.unique(rows.brand.to_numpy(), return_inverse=True)[1]
    design = np.column_stack([brands == brand for brand in range(3)] + [log_price]).astype(float)
    beta = np.linalg.lstsq(design, np.log(rows.sales.to_numpy()), rcond=None)[0]
    assert beta[-1] == pytest.approx(-3.1387, abs=5e-4)
    poisson, _ = fit_poisson(
        rows.sales.to_numpy(), np.zeros(len(rows)), log_price[:, None], brands, prior=np.zeros(1), centre=np.zeros(1)
    )
    print(f"Poisson elasticity {poisson[0]:.3f}")
    assert -4.0 < poisson[0] < -2.5
