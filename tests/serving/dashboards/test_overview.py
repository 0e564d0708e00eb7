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
from lakefront.clock import real_now
from lakefront.lake.access import replace
from lakefront.lake.tables import GOLD_CUSTOMERS, GOLD_DAYS, GOLD_ORDERS, GOLD_PRODUCTS, Table
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


def an_order(day: date, total: str, currency: str = "USD", **figures: Any) -> dict[str, Any]:
    usual = {"is_sale": True, "units": 1, "status": "confirmed", "order_id": f"{day}-{total}-{currency}"}
    return usual | figures | {"placed_date": day, "currency": currency, "total": Decimal(total)}


def a_product(number: int, revenue: str, path: str, currency: str = "USD") -> dict[str, Any]:
    return {
        "product_id": f"p{number}", "sku": f"S{number}", "title": f"Thing {number}", "category_path": path,
        "currency": currency, "base_price": Decimal("5"), "price": Decimal("5.50"), "available": 3, "views_30d": 50,
        "units_30d": 4, "revenue_30d": Decimal(revenue),
    }  # fmt: skip


def write_gold(lake: str, revenue_today: str = "250.25") -> None:
    days = [a_day(TODAY - timedelta(days=back)) for back in range(1, 40)]
    write(GOLD_DAYS, [*days, a_day(TODAY)], lake)
    products = [a_product(1, "20", "home/kitchen"), a_product(2, "70.10", "toys"), a_product(3, "5", "home/bath")]
    write(GOLD_PRODUCTS, [*products, a_product(4, "1000", "toys", "GBP")], lake)
    orders = [
        an_order(TODAY, revenue_today), an_order(TODAY, "7", is_sale=False), an_order(TODAY, "89.72", "GBP"),
        an_order(TODAY - timedelta(days=1), "100"),
    ]  # fmt: skip
    write(GOLD_ORDERS, orders, lake)
    write(GOLD_CUSTOMERS, [{"user": "u", "as_of": datetime(2026, 3, 8, 14, 5, tzinfo=UTC)}], lake)


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
    assert overview.yesterday.revenue == Decimal("100")
    assert overview.taken_at == datetime(2026, 3, 8, 14, 5, tzinfo=UTC)


def test_each_currency_is_shown_by_itself(lake_folder: str, tmp_path: Path) -> None:
    write_gold(lake_folder)
    figures = reader(lake_folder, tmp_path)
    dollars, pounds, unknown = figures.read(), figures.read("GBP"), figures.read("ZZZ")
    assert dollars.today is not None
    assert pounds.today is not None
    assert dollars.currencies == ["USD", "GBP"]
    assert (dollars.currency, dollars.today.orders, dollars.today.revenue) == ("USD", 2, Decimal("250.25"))
    assert (pounds.currency, pounds.today.orders, pounds.today.revenue) == ("GBP", 1, Decimal("89.72"))
    assert [product.product_id for product in pounds.best_sellers] == ["p4"]
    assert unknown.currency == "USD"


def test_business_time_that_runs_ahead_is_told(lake_folder: str, tmp_path: Path) -> None:
    write_gold(lake_folder)
    assert reader(lake_folder, tmp_path).read().days_ahead == 0
    ahead = real_now() + timedelta(days=35)
    write(GOLD_CUSTOMERS, [{"user": "u", "as_of": ahead}], lake_folder)
    assert reader(lake_folder, tmp_path).read().days_ahead == 35


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


def test_a_promoted_model_is_told_in_words(lake_folder: str, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    metrics = {"auc": 0.93, "test_orders": 1200.0, "test_frauds": 12.0}
    saved = store.save("fraud", lambda folder: None, as_of=datetime(2026, 3, 8, tzinfo=UTC), metrics=metrics)
    store.promote("fraud", saved.version)
    write_gold(lake_folder)
    champions = OverviewReader(lake_folder, store).read().champions
    [champion] = champions
    assert champion.name == "Fraud detection"
    assert "93% of the time, tried on 1,200 orders" in champion.does


def test_a_chart_escapes_what_it_is_told() -> None:
    drawn = charts.bars([1.0, 2.0], ["<b>", "x"], ["<script>alert(1)</script>", "two"])
    assert "<script>" not in drawn
    assert drawn.count("<rect") == 2
    assert drawn.count('fill="#') == 4, "coloured where no sheet styles it, too"
    assert charts.bars([0.0], ["x"], ["zero"]).count("<rect") == 1
