"""The fraud model on a world whose frauds are known: what is learnt, what is known when, and what the C library answers."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from features.definitions import FRAUD_FEATURES
from lakefront.artefacts import ModelStore
from models.errors import TooLittleData
from models.fraud import score as scoring
from models.fraud.evaluate import card_precision, evaluate, hold_out
from models.fraud.features import matrix, monotone
from models.fraud.labels import Labels
from models.fraud.publish import train_and_gate, usable
from models.fraud.score import FraudModel, LightGBMUnavailable
from models.fraud.train import NAME, FraudSettings, TrainedFraudModel, risk_scores, train
from models.split import as_numpy

_spec = spec_from_file_location("fraud_world", Path(__file__).parent / "fraud_world.py")
assert _spec is not None and _spec.loader is not None
world = module_from_spec(_spec)
_spec.loader.exec_module(world)
WINDOW: float = world.WINDOW


@pytest.fixture(scope="module")
def known() -> TrainedFraudModel:
    return train(*world.orders(), WINDOW)


@pytest.fixture(scope="module")
def loaded(known: TrainedFraudModel, tmp_path_factory: pytest.TempPathFactory) -> FraudModel:
    folder = tmp_path_factory.mktemp("fraud")
    known.save(folder)
    return FraudModel.load(folder)


def _rows(table: pa.Table, count: int = 60) -> list[dict[str, float | None]]:
    rows: list[dict[str, float | None]] = table.slice(0, count).select(list(FRAUD_FEATURES)).to_pylist()
    return rows


def test_labels_are_what_was_known_at_the_time() -> None:
    day = timedelta(days=1)
    at = world.START + 10 * day
    table = pa.table(
        {
            "placed_at": [world.START + n * day for n in (1, 1, 2, 8, 8, 1, 11)],
            "charged_back_at": [
                None,
                world.START + 5 * day,
                world.START + 12 * day,
                None,
                world.START + 9 * day,
                None,
                None,
            ],
            "is_sale": [True, True, True, True, False, False, True],
        }
    )
    labels = Labels.of(table, WINDOW)
    now = as_numpy(at)
    # the third order's charge-back comes later than T: at T it counts as honest, as anyone would have thought
    assert labels.frauds_known(now).tolist() == [False, True, False, False, True, False, False]
    assert labels.mature(now).tolist() == [True, True, True, False, False, False, False]
    assert labels.trainable(now).tolist() == [True, True, True, False, True, False, False]


def test_training_at_t_does_not_know_later_charge_backs() -> None:
    rows, as_of = world.orders()
    at = as_of - timedelta(days=10)
    later = [moment if moment and moment <= at else None for moment in rows["charged_back_at"].to_pylist()]
    blind = rows.set_column(rows.column_names.index("charged_back_at"), "charged_back_at",
                            pa.array(later, rows["charged_back_at"].type))  # fmt: skip
    assert train(rows, at, WINDOW).predict(rows) == pytest.approx(train(blind, at, WINDOW).predict(rows))


def test_known_signal_is_found_on_orders_after_the_split() -> None:
    rows, as_of = world.orders()
    held_out = hold_out(rows, as_of, WINDOW)
    placed = held_out.test["placed_at"].to_pylist()
    assert min(placed) > held_out.split_at
    assert max(placed) <= as_of - timedelta(days=WINDOW)
    figures = evaluate(held_out)
    assert figures["auc"] > 0.8
    assert figures["average_precision"] > 5 * figures["test_fraud_share"]


def test_without_signal_nothing_is_found() -> None:
    rows, as_of = world.orders(signal=0.0, count=3000)
    assert 0.35 < evaluate(hold_out(rows, as_of, WINDOW))["auc"] < 0.65


def test_probabilities_mean_what_they_say(known: TrainedFraudModel) -> None:
    fresh, _ = world.orders(count=4000, seed=99)
    truth = np.array(fresh["is_fraud"].to_pylist(), dtype=float)
    scores = known.predict(fresh)
    assert scores.mean() == pytest.approx(truth.mean(), abs=0.02)
    sure = scores > 0.5
    assert sure.sum() > 50
    assert truth[sure].mean() == pytest.approx(scores[sure].mean(), abs=0.15)


def test_known_signs_never_lower_the_risk(known: TrainedFraudModel) -> None:
    rows = world.orders(count=200, seed=5)[0]
    for name in ("card_failed_1h", "country_differs", "device_parties"):
        assert monotone((name,)) == [1]
        place = rows.column_names.index(name)
        low, high = (rows.set_column(place, name, pa.array([value] * 200)) for value in (0.0, 4.0))
        assert np.all(known.predict(high) >= known.predict(low) - 1e-12)


def test_the_c_library_answers_like_the_package(known: TrainedFraudModel, loaded: FraudModel) -> None:
    rows, _ = world.orders(seed=3)
    some = rows.slice(0, 60)
    assert [loaded.score(row) for row in _rows(rows)] == pytest.approx(known.predict(some).tolist(), abs=1e-9)
    expected = known.booster.predict(matrix(some), pred_contrib=True)
    raw = known.booster.predict(matrix(some), raw_score=True)
    for place, row in enumerate(_rows(rows)):
        shares = loaded.contributions(row)
        assert list(shares.values()) == pytest.approx(expected[place, :-1].tolist(), abs=1e-9)
        assert sum(shares.values()) + expected[place, -1] == pytest.approx(raw[place], abs=1e-6)


def test_reasons_name_what_raised_the_score(loaded: FraudModel) -> None:
    suspicious = {"order_total": 400.0, "account_age_days": 0.1, "card_failed_1h": 5.0, "country_differs": 1.0}
    reasons = loaded.reasons(suspicious, 5)
    assert {"card_failed_1h", "country_differs"} <= set(reasons)
    assert "address_orders_1h" not in reasons
    assert loaded.score(suspicious) > 0.5
    assert loaded.score({"order_total": 40.0, "account_age_days": 300.0, "card_failed_1h": 0.0}) < 0.1
    assert len(loaded.reasons(suspicious, 1)) == 1


def test_threads_get_the_same_answers(loaded: FraudModel) -> None:
    rows = _rows(world.orders(seed=4)[0])
    expected = [loaded.score(row) for row in rows]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(20):
            got = [loaded.score(row) if n % 3 else (loaded.reasons(row) and loaded.score(row)) or loaded.score(row)
                   for n, row in enumerate(rows)]  # fmt: skip
            wrong.extend(n for n, (one, other) in enumerate(zip(got, expected, strict=True)) if one != other)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, known: TrainedFraudModel, tmp_path: Path) -> None:
    known.save(tmp_path)
    scoring._library.cache_clear()
    monkeypatch.setattr(scoring.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(LightGBMUnavailable, match="lightgbm is not installed"):
        FraudModel.load(tmp_path)
    scoring._library.cache_clear()


def test_a_broken_booster_is_refused(tmp_path: Path, known: TrainedFraudModel) -> None:
    known.save(tmp_path)
    replace_features = (tmp_path / "model.json").read_text().replace('"order_total",', "", 1)
    (tmp_path / "model.json").write_text(replace_features)
    with pytest.raises(ValueError, match="columns"):
        FraudModel.load(tmp_path)


def test_risk_scores_rise_with_charge_backs_and_fall_back_to_the_model(known: TrainedFraudModel) -> None:
    rows, as_of = world.orders()
    tables = risk_scores(known, rows, as_of, WINDOW)
    assert set(tables) == {"account", "card", "device"}
    scores = dict(zip(*(tables["card"][name].to_pylist() for name in ("id", "score")), strict=True))
    assert all(0 <= score <= 1 for score in scores.values())
    charged = {
        card
        for card, moment in zip(rows["card"].to_pylist(), rows["charged_back_at"].to_pylist(), strict=True)
        if moment
    }
    mean_of = {True: [], False: []}
    for card, score in scores.items():
        mean_of[card in charged].append(score)
    assert np.mean(mean_of[True]) > 4 * np.mean(mean_of[False])
    early = risk_scores(known, rows, as_of - timedelta(days=27), WINDOW)
    assert early["card"].num_rows < tables["card"].num_rows, "cards that were not seen yet have no risk yet"


def test_card_precision_counts_a_found_card_once() -> None:
    days = np.array(["2026-01-01"] * 3 + ["2026-01-02"] * 3, dtype="datetime64[D]")
    cards = np.array(["a", "a", "b", "a", "b", "c"])
    fraud = np.array([True, False, False, True, False, True])
    scores = np.array([0.9, 0.1, 0.5, 0.9, 0.2, 0.8])
    # day one: a is found (1 of 1); day two: a is out, c is the riskiest left (1 of 1)
    assert card_precision(days, cards, fraud, scores, top=1) == 1.0
    assert card_precision(days, cards, fraud, scores, top=2) == 0.5


def test_publishing_gates_and_compares_with_the_champion(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    rows, as_of = world.orders(count=3000, days=40)
    first = train_and_gate(rows, as_of - timedelta(days=18), chargeback_window_days=WINDOW, store=store)
    assert first.promoted, first.verdict.reasons
    second = train_and_gate(rows, as_of, chargeback_window_days=WINDOW, store=store)
    assert second.verdict.compared["champion"] is not None
    metrics = second.manifest.metrics
    assert metrics["auc"] > 0.8
    assert second.verdict.compared["challenger"] == metrics["composite_average_precision"]
    assert metrics["composite_average_precision"] > metrics["rules_average_precision"]
    assert {"test_frauds", "card_precision_at_100", "brier"} <= set(metrics)
    assert 0 < FraudModel.load(store.path(NAME, second.version)).score({"card_failed_1h": 3.0}) < 1


def test_imports_and_the_future_are_not_learnt_from() -> None:
    rows, as_of = world.orders(count=100)
    imported = rows.slice(0, 40)
    for name in ("card", "device"):
        imported = imported.set_column(imported.column_names.index(name), name, pa.nulls(40, pa.string()))
    both = pa.concat_tables([imported, rows.slice(40)])
    kept = usable(both, as_of - timedelta(days=5))
    assert set(kept["order_id"].to_pylist()).isdisjoint(imported["order_id"].to_pylist())
    assert max(kept["placed_at"].to_pylist()) <= as_of - timedelta(days=5)


def test_too_little_data_says_what_is_missing() -> None:
    rows, as_of = world.orders(count=120, share=0.02)
    with pytest.raises(TooLittleData, match=r"frauds and .* honest orders are known .* are needed"):
        train(rows, as_of, WINDOW, settings=replace(FraudSettings(), minimum_frauds=8))
    with pytest.raises(TooLittleData):
        hold_out(rows, as_of, WINDOW)
    with pytest.raises(TooLittleData, match="older than the charge-back window"):
        hold_out(rows, world.START + timedelta(days=1), WINDOW)
    with pytest.raises(KeyError, match="card_failed_1h"):
        train(world.orders()[0].drop_columns(["card_failed_1h"]), as_of, WINDOW)
