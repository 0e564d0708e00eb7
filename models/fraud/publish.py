"""Trains, measures, gates and publishes the fraud model."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from lakefront.artefacts import ModelStore
from lakefront.clock import iso
from lakefront.settings import settings as shop_settings
from models.fraud.evaluate import HeldOut, Scores, average_precision, evaluate, hold_out
from models.fraud.rules import composite, rules_score
from models.fraud.score import FraudModel
from models.fraud.train import NAME, FraudSettings, TrainedFraudModel, train
from models.gate import Measurement, decide, scoring_milliseconds
from models.publish import Published, publish

BUDGET_MS = 3.0
"""CPU time of scoring one order in the storefront."""
METRIC = "composite_average_precision"


def train_and_gate(
    training_set: pa.Table,
    as_of: datetime,
    *,
    chargeback_window_days: float | None = None,
    store: ModelStore | None = None,
    settings: FraudSettings | None = None,
    split_at: datetime | None = None,
    data: dict[str, Any] | None = None,
) -> Published[TrainedFraudModel]:
    """Measure by time split, then fit on all labels known at ``as_of``, store with the split's metrics, gate and promote.

    What is gated is what the shop acts on, the composite of rules and model; the baseline is the rules layer alone, so that
    a model must add to it. Raises TooLittleData.
    """
    store = store or ModelStore()
    window = shop_settings().chargeback_window_days if chargeback_window_days is None else chargeback_window_days
    champion = store.champion(NAME)
    manifest = store.manifest(NAME, champion) if champion else None
    rows = usable(training_set, as_of)
    held_out = hold_out(
        rows, as_of, window, settings=settings, split_at=split_at,
        champion_as_of=datetime.fromisoformat(manifest.as_of) if manifest else None,
    )  # fmt: skip
    rules = np.array([rules_score(row)[0] for row in _feature_rows(held_out)])
    metrics = evaluate(held_out) | {
        "rules_average_precision": average_precision(held_out.is_fraud, rules),
        METRIC: _together(held_out, rules, held_out.model.predict(held_out.test)),
    }
    model = replace(train(rows, as_of, window, settings=settings), metrics=metrics)
    champion_metric = None
    if champion and held_out.is_fair_to_champion:
        loaded = FraudModel.load(store.path(NAME, champion))
        champion_metric = _together(held_out, rules, np.array([loaded.score(row) for row in _feature_rows(held_out)]))
    measurement = Measurement(
        METRIC,
        metrics[METRIC],
        metrics["rules_average_precision"],
        champion=champion_metric,
        champion_recorded=manifest.metrics.get(METRIC) if manifest else None,
        tolerance=0.1,
    )
    verdict = decide(measurement, scoring_ms=_scoring_ms(model, held_out.test), budget_ms=BUDGET_MS)
    snapshot = {
        **(data or {}),
        "split_at": iso(held_out.split_at),
        "orders": model.rows,
        "frauds": model.frauds,
        "chargeback_window_days": window,
        "settings": asdict(model.settings),
    }
    return publish(store, NAME, model, model.save, as_of=as_of, metrics=metrics, verdict=verdict, data=snapshot)


def usable(training_set: pa.Table, as_of: datetime) -> pa.Table:
    """Orders placed by ``as_of`` that went through the shop's own checkout.

    An imported order has no party that could be followed (no card, device or address), and would only teach the model to
    tell imports from sales.
    """
    parties = [name for name in ("card", "device", "address") if name in training_set.column_names]
    has_party = np.zeros(training_set.num_rows, dtype=bool)
    for name in parties:
        has_party |= np.array([value is not None for value in training_set[name].to_pylist()], dtype=bool)
    if not parties:
        has_party[:] = True
    placed = np.array([placed_at <= as_of for placed_at in training_set["placed_at"].to_pylist()], dtype=bool)
    return training_set.filter(pa.array(has_party & placed))


def _together(held_out: HeldOut, rules: Scores, model: Scores) -> float:
    """Average precision of both layers together, as the shop puts them together."""
    scores = [composite(rule, score, None) for rule, score in zip(rules.tolist(), model.tolist(), strict=True)]
    return average_precision(held_out.is_fraud, np.array(scores))


def _feature_rows(held_out: HeldOut) -> list[dict[str, float | None]]:
    rows: list[dict[str, float | None]] = held_out.test.select(list(held_out.model.features)).to_pylist()
    return rows


def _scoring_ms(model: TrainedFraudModel, test: pa.Table) -> float:
    """What the saved model costs, loaded as a worker loads it."""
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        scorer = FraudModel.load(Path(folder))
    row: dict[str, float | None] = test.select(list(model.features)).slice(0, 1).to_pylist()[0]
    return scoring_milliseconds(lambda: scorer.score(row))
