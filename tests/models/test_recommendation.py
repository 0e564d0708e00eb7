"""The ALS recommender: the ranker contract, agreement with ``implicit``, the split by time, and figures on real logs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from lakefront.artefacts import ModelStore
from models.errors import TooLittleData
from models.recommendation.evaluate import evaluate, evaluate_champion, hold_out
from models.recommendation.publish import train_and_gate
from models.recommendation.score import RecommendationModel, confidence
from models.recommendation.train import NAME, RecommendationSettings, TrainedRecommender, train

_spec = spec_from_file_location("ranker_contract", Path(__file__).parent / "ranker_contract.py")
assert _spec is not None and _spec.loader is not None
_contract = module_from_spec(_spec)
_spec.loader.exec_module(_contract)
AS_OF: datetime = _contract.AS_OF
CHECKERBOARD = RecommendationSettings(factors=3, regularization=0.1, iterations=15, half_life_days=None)


def tastes(
    *, users: int = 80, products: int = 120, days: int = 20, a_day: int = 3, groups: int = 6, seed: int = 3
) -> pa.Table:
    """Shoppers of some hidden groups, who mostly look at the products of their own."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(days):
        for u in range(users):
            for _ in range(a_day):
                p = int(rng.integers(products))
                if rng.random() < 0.85:
                    p = p - p % groups + u % groups
                kind = str(rng.choice(["view", "cart", "order"], p=[0.8, 0.15, 0.05]))
                at = AS_OF - timedelta(days=days - day) + timedelta(seconds=float(rng.uniform(0, 86_000)))
                rows.append((f"user-{u}", f"product-{p % products}", kind, 1, at))
    names = ("user", "product_id", "kind", "quantity", "occurred_at")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


@pytest.fixture(scope="module")
def trained() -> TrainedRecommender:
    return train(_contract.checkerboard(), AS_OF, settings=CHECKERBOARD)


@pytest.fixture(scope="module")
def loaded(trained: TrainedRecommender, tmp_path_factory: pytest.TempPathFactory) -> RecommendationModel:
    folder = tmp_path_factory.mktemp("als")
    trained.save(folder)
    return RecommendationModel.load(folder)


class TestALS(_contract.RankerContract):
    """The published files, loaded as a worker loads them, keep the contract of rankers."""

    @pytest.fixture(autouse=True)
    def _loaded(self, loaded: RecommendationModel) -> None:
        self._model = loaded

    def ranker(self) -> RecommendationModel:
        return self._model


def test_fold_in_is_the_step_of_als_itself(trained: TrainedRecommender, loaded: RecommendationModel) -> None:
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy import sparse

    weights = np.array([1.0, 3.0, 0.4])
    ids = [_contract.product(p) for p in (0, 2, 7)]
    als = AlternatingLeastSquares(factors=3, regularization=CHECKERBOARD.regularization, alpha=1.0)
    als.item_factors = trained.item_factors
    columns = [trained.matrix.product_ids.index(product_id) for product_id in ids]
    row = sparse.csr_matrix(
        (confidence(weights, CHECKERBOARD.alpha), ([0, 0, 0], columns)), shape=(1, len(trained.matrix.product_ids))
    )
    expected = als.recalculate_user(0, row)
    assert loaded.fold_in(ids, weights.tolist()) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_a_prior_moves_with_new_interest_and_stays_without(loaded: RecommendationModel) -> None:
    even, odd = [_contract.product(p) for p in (0, 2, 4)], [_contract.product(p) for p in (1, 3, 5, 7, 9)]
    before = loaded.fold_in(even)
    assert before is not None
    assert loaded.fold_in([], prior=before) == pytest.approx(before)
    after = loaded.fold_in(odd, [4.0] * 5, prior=before)
    assert after is not None
    of_odd = set(odd) & set(loaded.rank(after, limit=6))
    assert len(of_odd) > len(set(odd) & set(loaded.rank(before, limit=6)))
    assert loaded.fold_in([], prior=np.ones(99)) is None, "a vector of another version is not used"


def test_user_vectors_are_those_of_users_and_their_items_are_new_to_them(trained: TrainedRecommender) -> None:
    table = trained.user_vectors()
    assert table.column_names == ["user", "vector", "items"]
    assert table.num_rows == _contract.SIZE
    for row in table.to_pylist():
        index = int(row["user"][-2:])
        assert row["items"][0] == _contract.product(_contract.missing(index))
        assert not set(row["items"]) & {_contract.product(p) for p in range(24) if (index + p) % 2 == 0 and p != index}


def test_guests_teach_products_but_get_no_vector() -> None:
    rows = _contract.checkerboard()
    guests = pa.table(
        {
            "user": pa.nulls(rows.num_rows, pa.string()),
            "product_id": rows["product_id"],
            "kind": rows["kind"],
            "quantity": rows["quantity"],
            "occurred_at": rows["occurred_at"],
            "session": rows["user"],
        }
    )
    model = train(guests, AS_OF, settings=CHECKERBOARD)
    assert model.user_vectors().num_rows == 0
    assert {int(name[-2:]) % 2 for name in model.scorer().similar(_contract.product(2), 5)} == {0}


def test_nothing_after_the_split_is_learnt() -> None:
    """The past's model is the same whether or not there is a future, and popularity too."""
    rows = tastes()
    held_out = hold_out(rows, AS_OF, RecommendationSettings(threads=1))
    past = rows.filter(pa.array([at <= held_out.split_at for at in rows["occurred_at"].to_pylist()]))
    alone = train(past, held_out.split_at, settings=RecommendationSettings(threads=1))
    assert alone.matrix.users == held_out.model.matrix.users
    assert (alone.matrix.weights != held_out.model.matrix.weights).nnz == 0
    assert alone.item_factors == pytest.approx(held_out.model.item_factors, abs=1e-5)


def test_tastes_are_found_and_popularity_is_measured_on_the_same_users() -> None:
    held_out = hold_out(tastes(), AS_OF, RecommendationSettings())
    figures = evaluate(held_out)
    assert figures["recall_at_20"] > 1.8 * figures["popularity_recall_at_20"]
    assert figures["ndcg_at_20"] > figures["popularity_ndcg_at_20"]
    assert figures["test_users"] == len(held_out.rows) > 50
    for row, relevant in zip(held_out.rows, held_out.relevant, strict=True):
        assert not relevant & set(held_out.model.matrix.weights[row].indices.tolist()), "seen products are not a test"


def test_a_model_of_noise_does_not_pass_the_gate(tmp_path: Path) -> None:
    """Everybody looks at everything alike, but for a few best-sellers: popularity is the best that can be known."""
    rng = np.random.default_rng(5)
    rows = tastes(days=10, seed=9)
    popular = 1.0 / np.arange(1, 121)
    ids = [f"product-{p}" for p in rng.choice(120, size=rows.num_rows, p=popular / popular.sum())]
    rows = rows.set_column(rows.column_names.index("product_id"), "product_id", pa.array(ids))
    store = ModelStore(tmp_path)
    published = train_and_gate(rows, AS_OF, store=store)
    assert not published.promoted
    assert store.champion(NAME) is None
    assert "does not beat the baseline" in " ".join(published.verdict.reasons)


def test_publishing_and_a_champion_on_the_same_held_out_data(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    rows = tastes()
    early = AS_OF - timedelta(days=8)
    first = train_and_gate(
        rows.filter(pa.array([at <= early for at in rows["occurred_at"].to_pylist()])), early, store=store
    )
    assert first.promoted and store.champion(NAME) == first.version
    second = train_and_gate(rows, AS_OF, store=store)
    compared = second.verdict.compared
    assert compared["champion"] is not None, "the first model has not seen the last days: it is measured on them"
    assert second.manifest.metrics["recall_at_20"] == compared["challenger"]
    assert set(second.manifest.metrics) >= {"recall_at_20", "ndcg_at_20", "popularity_recall_at_20"}
    third = train_and_gate(rows, AS_OF, store=store)
    assert third.verdict.compared["champion"] is None, "the second model was trained on everything"
    loaded = RecommendationModel.load(store.path(NAME, third.version))
    assert loaded.rank(loaded.fold_in(loaded.popular(3)), [], 5)


def test_champion_is_measured_like_the_challenger() -> None:
    held_out = hold_out(tastes(), AS_OF, RecommendationSettings())
    recall, ndcg = evaluate_champion(held_out, held_out.model.scorer())
    own = evaluate(held_out)
    assert recall == pytest.approx(own["recall_at_20"], rel=0.05)
    assert ndcg == pytest.approx(own["ndcg_at_20"], rel=0.05)


def test_too_little_data_says_what_is_missing() -> None:
    rows = tastes(users=3, days=2)
    with pytest.raises(TooLittleData, match=r"3 shoppers .* needed"):
        train(rows, AS_OF)
    with pytest.raises(TooLittleData, match="no interaction"):
        hold_out(rows, AS_OF - timedelta(days=400), RecommendationSettings())
    only_past = tastes(days=4)
    with pytest.raises(TooLittleData, match="0 users have something new"):
        hold_out(only_past, AS_OF, RecommendationSettings(), split_at=AS_OF)


def test_scoring_needs_numpy_alone() -> None:
    heavy = "('implicit', 'scipy', 'pandas', 'sklearn', 'lightgbm', 'pyarrow')"
    code = (
        "import sys, models.recommendation.score, models.fraud.score; "
        f"found = [name for name in {heavy} if name in sys.modules]; assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_last_weeks_of_the_wholesaler_beat_popularity(real_data: Callable[[str], Path]) -> None:
    path = real_data("orders/online_retail.parquet")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    rows = connection.sql(
        f"""SELECT DISTINCT CustomerID::varchar AS user, StockCode AS product_id, 'order' AS kind, 1 AS quantity,
               InvoiceDate::timestamptz AS occurred_at
              FROM '{path}' WHERE CustomerID > 0 AND Quantity > 0 AND UnitPrice > 0
               AND regexp_matches(StockCode, '^[0-9]{{5}}')"""
    ).to_arrow_table()
    held_out = hold_out(rows, datetime(2011, 12, 10, tzinfo=UTC), RecommendationSettings())
    figures = evaluate(held_out)
    print({name: round(value, 4) for name, value in figures.items()})
    assert held_out.split_at >= datetime(2011, 10, 15, tzinfo=UTC)
    assert figures["test_users"] > 1000
    assert figures["recall_at_20"] > 2 * figures["popularity_recall_at_20"]


@pytest.mark.nightly
def test_gowalla_reaches_an_untuned_als(real_data: Callable[[str], Path]) -> None:
    """LightGCN's split. An untuned ``implicit`` ALS of 256 factors reaches .1641/.1369; 64 factors .1412/.1229."""
    connection = duckdb.connect()
    tables = []
    for name, at in (("train", AS_OF - timedelta(days=2)), ("test", AS_OF - timedelta(days=1))):
        path = real_data(f"interactions/gowalla_{name}.parquet")
        found = connection.sql(f"SELECT 'u' || user AS user, 'i' || item AS product_id FROM '{path}'").to_arrow_table()
        moment = pa.array([at] * found.num_rows, pa.timestamp("us", tz="UTC"))
        tables.append(
            found.append_column("kind", pa.array(["view"] * found.num_rows)).append_column("occurred_at", moment)
        )
    settings = replace(RecommendationSettings(), factors=64, alpha=10.0, regularization=1.0, half_life_days=None)
    held_out = hold_out(pa.concat_tables(tables), AS_OF, settings, split_at=AS_OF - timedelta(days=2))
    figures = evaluate(held_out)
    print({name: round(value, 4) for name, value in figures.items()})
    assert len(held_out.rows) == 29_858
    assert figures["recall_at_20"] > 0.135
    assert figures["recall_at_20"] > 3 * figures["popularity_recall_at_20"]
