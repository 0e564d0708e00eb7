"""Price proposals: within limits and steps, in the right direction, with a sentence that says why."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import poisson

from lakefront.artefacts import ModelStore
from models.errors import TooLittleData
from models.pricing.demand import expected_sales
from models.pricing.elasticity import NAME, Elasticities, Estimate
from models.pricing.propose import PricingSettings, propose
from models.pricing.publish import train_and_gate

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
ELASTIC = Elasticities("exploration", Estimate(-4.0, 0.1), {"dull": Estimate(-1.2, 0.1), "unsure": Estimate(-2.0, 3.0)})
SETTINGS = PricingSettings(minimum_confidence=0.6)


def shop(**products: tuple[str, float, float, int | None]) -> tuple[pa.Table, pa.Table]:
    """Name → (category, units a day, today's factor, stock): thirty even days of sales at today's price."""
    days, listed = [], []
    for name, (category, units, factor, stock) in products.items():
        listed.append((name, category, "USD", Decimal("20.00"), Decimal(str(round(20 * factor, 2))), stock))
        for day in range(30):
            sold = int(units * (day + 1)) - int(units * day)
            days.append((name, date(2026, 1, 2) + timedelta(days=day), category, 20 * factor, 20.0, False, sold, stock))
    day_names = ("product_id", "day", "category_path", "price", "base_price", "is_exploration", "units", "available")
    names = ("product_id", "category_path", "currency", "base_price", "price", "available")
    return (
        pa.table(dict(zip(day_names, map(list, zip(*days, strict=True)), strict=True))),
        pa.table(dict(zip(names, map(list, zip(*listed, strict=True)), strict=True))),
    )


def proposals(
    settings: PricingSettings = SETTINGS, **products: tuple[str, float, float, int | None]
) -> dict[str, dict]:
    days, listed = shop(**products)
    table, metrics = propose(days, listed, AS_OF, elasticities=ELASTIC, settings=settings)
    assert metrics["proposals"] == table.num_rows
    return {row["product_id"]: row | {"reasons": json.loads(row["reasons"])} for row in table.to_pylist()}


def test_direction_follows_elasticity_and_stock() -> None:
    found = proposals(
        elastic=("keen", 5.0, 1.0, 200),  # 4 % of buyers lost per per cent: cheaper earns more
        scarce=("keen", 8.0, 1.0, 20),  # sells out in three days whatever it costs: dearer earns more
        loyal=("dull", 5.0, 1.0, 200),
        surplus=("keen", 0.5, 1.0, 500),
    )
    assert found["elastic"]["factor"] < 1
    assert found["scarce"]["factor"] > 1
    assert found["loyal"]["factor"] > 1
    assert found["surplus"]["factor"] < 1


def test_limits_and_steps_hold() -> None:
    found = proposals(
        high=("dull", 5.0, 1.18, 200), low=("keen", 5.0, 0.82, 400), start=("dull", 5.0, 1.0, 200),
        outside=("dull", 5.0, 1.60, 200),
    )  # fmt: skip
    assert all(0.8 - 1e-9 <= row["factor"] <= 1.2 + 1e-9 for row in found.values())
    assert all(abs(row["factor"] - row["current_factor"]) <= SETTINGS.step + 0.0051 for row in found.values())
    assert "outside" not in found, "a price that people set far from base is theirs"
    assert found["start"]["factor"] > 1.03


def test_what_is_not_known_is_not_proposed() -> None:
    found = proposals(
        unsure=("unsure", 5.0, 1.0, 200), rare=("keen", 0.05, 1.0, 200), gone=("keen", 5.0, 1.0, 0),
        unlimited=("dull", 5.0, 1.0, None),
    )  # fmt: skip
    assert set(found) == {"unlimited"}


def test_reasons_are_figures_and_a_sentence() -> None:
    row = proposals(surplus=("keen", 2.0, 1.0, 500))["surplus"]
    reasons = row["reasons"]
    assert reasons["elasticity"] == -4.0
    assert reasons["elasticity_low"] < -4.0 < reasons["elasticity_high"]
    assert reasons["days_of_stock"] == pytest.approx(250, rel=0.2)
    assert reasons["expected_units_change"] > 0 and reasons["expected_margin_change"] > 0
    assert "would last" in reasons["text"] and "more than needed" in reasons["text"]
    known = "Buyers in keen, like those of the whole shop, react strongly to price: 10% dearer sells about 32% less."
    assert known in reasons["text"], "nothing was learnt of keen itself, and the sentence says so"
    price = f"{20 * row['factor']:.2f} USD"
    assert f"Lowering the price by {1 - row['factor']:.0%} to {price}" in reasons["text"]


def test_what_was_learnt_of_a_category_itself_is_told_of_it_alone() -> None:
    text = proposals(loyal=("dull", 5.0, 0.85, 200))["loyal"]["reasons"]["text"]
    assert "Buyers in dull react noticeably to price: 10% dearer sells about 11% less." in text


def test_the_most_valuable_come_first_and_no_more_than_a_person_reads() -> None:
    few = PricingSettings(most=2)
    found = proposals(
        few, small=("dull", 1.0, 1.0, 200), large=("dull", 20.0, 1.0, 900), middle=("dull", 6.0, 1.0, 400)
    )
    assert list(found) == ["large", "middle"]


def test_expected_sales_out_of_a_stock() -> None:
    demand = np.array([0.3, 4.0, 4.0, 50.0, 7.5])
    stock = np.array([2.0, 0.0, 3.0, 40.0, 1000.0])
    exact = [sum(min(k, int(s)) * poisson.pmf(k, d) for k in range(400)) for d, s in zip(demand, stock, strict=True)]
    assert expected_sales(demand, stock) == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_publishing_writes_elasticities_and_proposals(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    days, listed = shop(**{f"p{n}": ("home", 3.0, 1.0, 100) for n in range(60)})
    factor = np.where(rng.random(days.num_rows) < 0.2, rng.uniform(0.9, 1.1, days.num_rows), 1.0)
    units = rng.poisson(3.0 * factor**-3.0)
    for name, values in (("price", factor * 20), ("units", units), ("is_exploration", factor != 1.0)):
        days = days.set_column(days.column_names.index(name), name, pa.array(values))
    store = ModelStore(tmp_path)
    published = train_and_gate(days, listed, AS_OF, store=store)
    assert published.promoted, published.verdict.reasons
    assert published.manifest.data["method"] == "exploration"
    assert published.manifest.metrics["elasticity"] == pytest.approx(-3.0, abs=1.0)
    assert published.manifest.metrics["proposals"] == published.model.proposals.num_rows
    folder = store.path(NAME, published.version)
    assert Elasticities.load(folder) == published.model.elasticities
    assert (folder / "proposals.parquet").exists()


def test_too_little_data_says_what_is_missing() -> None:
    days, listed = shop(p=("home", 0.1, 1.0, 10))
    with pytest.raises(TooLittleData, match="3 units sold on 30 days"):
        propose(days, listed, AS_OF)
