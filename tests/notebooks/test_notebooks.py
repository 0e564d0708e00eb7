"""The notebooks run from top to bottom on a lake like the demo's, and their figures are real."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pyarrow as pa
import pytest
from nbclient import NotebookClient

from lakefront.ids import new_id
from lakefront.lake.access import replace
from lakefront.lake.tables import GOLD_DAYS, GOLD_ORDERS, GOLD_PRODUCT_DAYS, INTERACTIONS, RECOMMENDATIONS, Table

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS, USERS, PRODUCTS, GROUPS = 14, 60, 40, 4


def write(table: Table, rows: list[dict[str, Any]], lake: str) -> None:
    complete = [{name: row.get(name) for name in table.schema.names} for row in rows]
    replace(table, pa.Table.from_pylist(complete, schema=table.schema), lake)


def identity(at: datetime) -> dict[str, Any]:
    return {"event_id": str(new_id()), "occurred_at": at, "occurred_date": at.date(), "recorded_at": at}


@pytest.fixture(scope="module")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users of four tastes who view products of their taste, some of them where a recommendation showed them."""
    home = tmp_path_factory.mktemp("notebook-home")
    lake = str(home / "lake")
    draw = np.random.default_rng(5)
    views, decisions = [], []
    for user in range(USERS):
        taste = user % GROUPS
        for _ in range(30):
            at = START + timedelta(minutes=int(draw.integers(0, DAYS * 24 * 60)))
            product = int(draw.integers(0, PRODUCTS // GROUPS)) * GROUPS + taste
            row = identity(at) | {
                "user": f"u{user}", "session": f"s{user}", "product_id": f"p{product}", "kind": "view", "quantity": 1,
                "surface": "home", "decision_id": f"d{user}", "position": 0,
            }  # fmt: skip
            views.append(row)
        decisions.append(
            identity(START) | {
                "decision_id": f"d{user}", "user": f"u{user}", "strategy": "popular", "surface": "home",
                "product_ids": [f"p{taste}", f"p{(taste + 1) % GROUPS}"], "latency_ms": 1.0,
            }
        )  # fmt: skip
    write(INTERACTIONS, views, lake)
    write(RECOMMENDATIONS, decisions, lake)
    days = [START.date() + timedelta(days=number) for number in range(DAYS)]
    write(GOLD_DAYS, [a_day(day) for day in days], lake)
    orders = [("USD", "50.50"), ("USD", "7.00"), ("GBP", "1000.00")]
    write(GOLD_ORDERS, [an_order(day, *order) for day in days for order in orders], lake)
    write(GOLD_PRODUCT_DAYS, [a_product_day(day, number) for day in days for number in range(PRODUCTS)], lake)
    return home


def a_day(day: date) -> dict[str, Any]:
    return {
        "day": day, "orders": 5, "revenue": Decimal("50.50"), "sessions": 20, "conversion": 0.25, "declined": 0,
        "reviewed": 0, "average_order_value": 10.1,
    }  # fmt: skip


def an_order(day: date, currency: str, total: str) -> dict[str, Any]:
    return {
        "order_id": f"{day}-{currency}-{total}", "placed_date": day, "currency": currency, "total": Decimal(total),
        "is_sale": True, "units": 1,
    }  # fmt: skip


def a_product_day(day: date, number: int) -> dict[str, Any]:
    factor = Decimal("0.9") if (day.day + number) % 2 else Decimal("1.1")
    return {
        "product_id": f"p{number}", "day": day, "category_path": "toys", "price": 10 * factor,
        "base_price": Decimal(10), "is_exploration": number % 10 == 0, "views": 20, "units": 3 if factor < 1 else 1,
        "orders": 1, "revenue": Decimal(10), "carts": 2, "available": 50,
    }  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_runs_on_a_lake_and_its_figures_hold(path: Path, small_lake: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print(recommendation, demand['units_per_100_views'].to_dict())"))
    root = str(path.parents[1])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LAKEFRONT_")}
    environment = inherited | {"LAKEFRONT_HOME": str(small_lake), "PYTHONPATH": root}
    client = NotebookClient(notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": root}})
    client.execute(env=environment)
    said = [
        output.get("text")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stderr"
    ]
    assert said == [], "a reader would ask what is wrong"
    printed = notebook.cells[-1].outputs[0]["text"]
    figures, _, demand = printed.partition("} ")
    recommendation = eval(figures + "}", {"nan": float("nan")})
    assert recommendation["recall_at_20"] > 2 * recommendation["popularity_recall_at_20"] > 0
    assert eval(demand) == {0.9: 15.0, 1.1: 5.0}


def test_notebooks_are_kept_without_output() -> None:
    assert NOTEBOOKS, "the data scientists' notebooks are gone"
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            assert not cell.get("outputs"), f"{path.name} carries output: clear it before committing"
