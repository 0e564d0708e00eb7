"""Judging the ranking: the click model by hand-counted views, the metrics by hand, and the real log where it is."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakefront.settings import CHECKOUT
from transactional.search.evaluation.click_model import Shown, judgments
from transactional.search.evaluation.command import app
from transactional.search.evaluation.metrics import ndcg, reciprocal_rank


def view(number: int, *results: tuple[str, bool], query: str = "q") -> list[Shown]:
    return [Shown(number, query, rank, product, clicked) for rank, (product, clicked) in enumerate(results)]


def test_results_count_as_looked_at_down_to_the_last_click_only() -> None:
    log = [
        *view(1, ("a", False), ("b", True), ("c", False)),  # c was not looked at
        *view(2, ("a", True), ("b", True), ("c", False)),
        *view(3, ("a", False), ("b", False), ("c", False)),  # nobody knows how far
    ]
    found = judgments(log)
    # a: looked at twice, clicked once, never last. b: twice, twice, twice. With one more yes and one more no each.
    assert found == {"q": {"a": pytest.approx(2 / 4 * 1 / 3), "b": pytest.approx(3 / 4 * 3 / 4)}}


def test_a_good_result_in_a_low_place_is_not_judged_by_its_place() -> None:
    log = [each for number in range(40) for each in view(number, ("top", number % 10 == 0), ("low", True))]
    grades = judgments(log)["q"]
    assert grades["low"] > 3 * grades["top"]


def test_queries_are_judged_apart() -> None:
    log = view(1, ("a", True), query="one") + view(1, ("a", False), ("b", True), query="two")
    found = judgments(log)
    assert set(found["one"]) == {"a"}
    assert found["one"]["a"] > found["two"]["a"]


def test_ndcg_is_one_for_the_ideal_order_and_discounts_by_place() -> None:
    grades = {"a": 1.0, "b": 0.5}
    assert ndcg(["a", "b", "x"], grades) == 1.0
    ideal = 1.0 + 0.5 / math.log2(3)
    assert ndcg(["x", "a"], grades) == pytest.approx((1 / math.log2(3)) / ideal)
    assert ndcg(["x", "y"], grades) == 0.0
    assert ndcg(["x"] * 10 + ["a"], grades) == 0.0


def test_the_reciprocal_rank_is_that_of_the_first_relevant_product() -> None:
    assert reciprocal_rank(["x", "b", "a"], {"a", "b"}) == 0.5
    assert reciprocal_rank(["x"], {"a"}) == 0.0


def write_csv(path: Path, *rows: tuple[object, ...]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_the_command_writes_figures_for_each_ranking_and_query(tmp_path: Path) -> None:
    products = write_csv(
        tmp_path / "products.csv", ("upc", "name", "manufacturer"),
        ("p1", "Kettle cosy", "Norrland"), ("p2", "Kettle with a whistle, of enamel &amp; steel", ""),
        ("p3", "Spoon", ""),
    )  # fmt: skip
    views = [
        (number, "kettle", rank, product, product == "p2")
        for number in range(20)
        for rank, product in enumerate(("p1", "p2"))
    ]
    clicks = write_csv(tmp_path / "clicks.csv", ("sess_id", "query", "rank", "clicked_doc_id", "clicked"), *views)
    out = tmp_path / "out.json"
    result = CliRunner().invoke(
        app, ["search", "--products", str(products), "--clicks", str(clicks), "--json", str(out)]
    )
    assert result.exit_code == 0, result.output
    told = json.loads(out.read_text())
    assert (told["products"], told["views_for_popularity"], told["views_for_judgments"]) == (3, 10, 10)
    assert told["judged_products"] == {"kettle": 2}
    assert told["per_query"]["search"]["kettle"] == {"ndcg_at_10": 1.0, "mrr": 1.0}
    assert told["per_query"]["bm25_on_name"]["kettle"]["mrr"] == 0.5  # the shorter name first
    assert told["mean"]["search"] == told["per_query"]["search"]["kettle"]


def test_a_file_without_the_needed_columns_is_named(tmp_path: Path) -> None:
    products = write_csv(tmp_path / "products.csv", ("number", "name"), (1, "Kettle"))
    clicks = write_csv(tmp_path / "clicks.csv", ("query",), ("kettle",))
    result = CliRunner().invoke(app, ["search", "--products", str(products), "--clicks", str(clicks)])
    assert result.exit_code == 1
    assert "has no column for id: one of product_id, upc, sku, id" in " ".join(result.output.split())


@pytest.fixture
def catalogue() -> Path:
    """The folder of the real catalogue and its clicks; never in the repository."""
    folder = Path(os.environ.get("LAKEFRONT_TEST_DATA") or CHECKOUT.parent / "shared" / "data") / "catalogue"
    for name in ("retrotech_products.parquet", "retrotech_clicks.parquet"):
        if not (folder / name).exists():
            pytest.skip(f"{name} is not in {folder}")
    return folder


def test_on_a_real_shops_log_ours_is_well_ahead_of_bm25_on_the_name(catalogue: Path, tmp_path: Path) -> None:
    products, clicks = catalogue / "retrotech_products.parquet", catalogue / "retrotech_clicks.parquet"
    out = tmp_path / "out.json"
    result = CliRunner().invoke(
        app, ["search", "--products", str(products), "--clicks", str(clicks), "--json", str(out)]
    )
    assert result.exit_code == 0, result.output
    mean = json.loads(out.read_text())["mean"]
    assert mean["search"]["ndcg_at_10"] > 2 * mean["bm25_on_name"]["ndcg_at_10"]
    assert mean["search"]["mrr"] > 2 * mean["bm25_on_name"]["mrr"]
