"""The merchandisers' figures are gold's figures, and are read again as soon as gold has a new version."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakefront.artefacts import ModelStore
from lakefront.lake.access import replace
from lakefront.lake.tables import GOLD_DAYS, GOLD_ORDERS, GOLD_PRODUCTS, Table
from serving.dashboards import charts
from serving.dashboards.overview import OverviewReader

TODAY = date(2026, 3, 8)


@pytest.fixture
def lake_folder(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "lake")


def write(table: Table, rows: list[dict[str, Any]], lake: str) -> None:
    complete = [{name: row.get(name) for name in table.schema.names} for row in rows]
    replace(table, pa.Table.from_pylist(complete, schema=table.schema), lake)


def a_day(day: date, **figures: Any) -> dict[str, Any]:
    usual = {
        "orders": 10, "revenue": Decimal("100"), "units": 12, "visitors": 90, "sessions": 100, "buying_sessions": 10,
        "views": 400, "conversion": 0.1, "average_order_value": 10.0, "declined": 1, "reviewed": 2,
    }  # fmt: skip
    return usual | figures | {"day": day}


def a_product(number: int, revenue: str, path: str) -> dict[str, Any]:
    return {
        "product_id": f"p{number}", "sku": f"S{number}", "title": f"Thing {number}", "category_path": path,
        "currency": "USD", "base_price": Decimal("5"), "price": Decimal("5.50"), "available": 3, "views_30d": 50,
        "units_30d": 4, "revenue_30d": Decimal(revenue),
    }  # fmt: skip


def write_gold(lake: str, revenue_today: str = "250.25") -> None:
    days = [a_day(TODAY - timedelta(days=back)) for back in range(1, 40)]
    write(GOLD_DAYS, [*days, a_day(TODAY, revenue=Decimal(revenue_today))], lake)
    products = [a_product(1, "20", "home/kitchen"), a_product(2, "70.10", "toys"), a_product(3, "5", "home/bath")]
    write(GOLD_PRODUCTS, products, lake)
    placed = datetime(2026, 3, 8, tzinfo=UTC)
    write(GOLD_ORDERS, [{"order_id": "o", "placed_at": placed, "currency": "EUR", "total": Decimal("1")}], lake)


def reader(lake: str, tmp_path: Path) -> OverviewReader:
    return OverviewReader(lake, ModelStore(tmp_path / "models"))


def test_an_empty_lake_shows_no_day_and_fails_nothing(lake_folder: str, tmp_path: Path) -> None:
    overview = reader(lake_folder, tmp_path).read()
    assert overview.today is None
    assert overview.best_sellers == []
    assert overview.champions == []


def test_today_is_the_latest_business_day_in_gold(lake_folder: str, tmp_path: Path) -> None:
    write_gold(lake_folder)
    overview = reader(lake_folder, tmp_path).read()
    assert overview.today is not None
    assert overview.yesterday is not None
    assert overview.today.day == TODAY
    assert overview.today.revenue == Decimal("250.25")
    assert overview.yesterday.day == TODAY - timedelta(days=1)
    assert overview.currency == "EUR"


def test_best_sellers_and_departments_are_ordered_by_revenue(lake_folder: str, tmp_path: Path) -> None:
    write_gold(lake_folder)
    overview = reader(lake_folder, tmp_path).read()
    assert [product.product_id for product in overview.best_sellers] == ["p2", "p1", "p3"]
    assert [(row.category, row.revenue) for row in overview.departments] == [
        ("toys", Decimal("70.1000")),
        ("home", Decimal("25.0000")),
    ]


def test_a_new_version_of_gold_is_seen_by_the_next_read(lake_folder: str, tmp_path: Path) -> None:
    write_gold(lake_folder)
    figures = reader(lake_folder, tmp_path)
    before = figures.read()
    assert figures.read() is before, "nothing new: no query"
    write_gold(lake_folder, revenue_today="999.99")
    after = figures.read()
    assert after.today is not None
    assert after.today.revenue == Decimal("999.99")


def test_a_promoted_model_is_shown_with_its_metrics(lake_folder: str, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    saved = store.save("fraud", lambda folder: None, as_of=datetime(2026, 3, 8, tzinfo=UTC), metrics={"auc": 0.93})
    store.promote("fraud", saved.version)
    write_gold(lake_folder)
    champions = OverviewReader(lake_folder, store).read().champions
    assert [(champion.model, champion.metrics["auc"]) for champion in champions] == [("fraud", 0.93)]


def test_a_chart_escapes_what_it_is_told() -> None:
    drawn = charts.bars([1.0, 2.0], ["<b>", "x"], ["<script>alert(1)</script>", "two"])
    assert "<script>" not in drawn
    assert drawn.count("<rect") == 2
    assert charts.bars([0.0], ["x"], ["zero"]).count("<rect") == 1
