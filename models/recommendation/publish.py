"""Trains, measures, gates and publishes the recommendation model."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakefront.artefacts import ModelStore
from lakefront.clock import iso
from models.gate import Measurement, decide, scoring_milliseconds
from models.publish import Published, publish
from models.recommendation.evaluate import HeldOut, evaluate, evaluate_champion, hold_out
from models.recommendation.score import RecommendationModel
from models.recommendation.train import NAME, RecommendationSettings, TrainedRecommender, train

BUDGET_MS = 3.0
"""CPU time of one decision: folding in a session of ten products and ranking the catalogue."""


def train_and_gate(
    interactions: pa.Table,
    as_of: datetime,
    *,
    store: ModelStore | None = None,
    settings: RecommendationSettings | None = None,
    split_at: datetime | None = None,
    data: dict[str, Any] | None = None,
) -> Published[TrainedRecommender]:
    """Measure by time split, then fit on everything up to ``as_of``, store with the split's metrics, gate and promote.

    ``data`` names the snapshot (table to Delta version) for the manifest. Raises TooLittleData.
    """
    store = store or ModelStore()
    settings = settings or RecommendationSettings()
    champion = store.champion(NAME)
    manifest = store.manifest(NAME, champion) if champion else None
    held_out = hold_out(
        interactions, as_of, settings, split_at=split_at,
        champion_as_of=datetime.fromisoformat(manifest.as_of) if manifest else None,
    )  # fmt: skip
    metrics = evaluate(held_out)
    model = replace(train(interactions, as_of, settings=settings), metrics=metrics)
    measurement = Measurement(
        "recall_at_20",
        metrics["recall_at_20"],
        metrics["popularity_recall_at_20"],
        champion=_champion_recall(store, champion, held_out),
        champion_recorded=manifest.metrics.get("recall_at_20") if manifest else None,
        tolerance=0.05,
    )
    verdict = decide(measurement, scoring_ms=_scoring_ms(model), budget_ms=BUDGET_MS)
    users, products = model.matrix.weights.shape
    snapshot = {
        **(data or {}),
        "split_at": iso(held_out.split_at),
        "users": users,
        "products": products,
        "settings": asdict(settings),
    }
    return publish(
        store, NAME, model, model.save, as_of=as_of, metrics=metrics, verdict=verdict, data=snapshot
    )  # fmt: skip


def _champion_recall(store: ModelStore, champion: str | None, held_out: HeldOut) -> float | None:
    if champion is None or not held_out.is_fair_to_champion:
        return None
    return evaluate_champion(held_out, RecommendationModel.load(store.path(NAME, champion)))[0]


def _scoring_ms(model: TrainedRecommender) -> float:
    scorer = model.scorer()
    session = scorer.popular(10)

    def decision() -> None:
        vector = scorer.fold_in(session)
        if vector is not None:
            scorer.rank(vector, session, 20)

    return scoring_milliseconds(decision)
