"""Fits the fraud model: LightGBM on point-in-time features, with the labels that were known at the time.

Probabilities are calibrated (Platt 1999) on out-of-fold scores of mature orders, folds grouped by card, so that
thresholds on the composite mean what they say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.definitions import FRAUD_FEATURES, RISK_ENTITIES
from models.errors import TooLittleData
from models.fraud.features import matrix, monotone, party
from models.fraud.labels import Labels
from models.split import as_numpy

NAME = "fraud"
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FraudSettings:
    """How the model is fitted. Small trees: a shop knows tens of frauds, not thousands."""

    rounds: int = 200
    learning_rate: float = 0.05
    leaves: int = 15
    rows_in_leaf: int = 20
    l2: float = 1.0
    folds: int = 5
    seed: int = 0
    threads: int = 1
    """LightGBM's threads spin while they wait: beside a busy shop two were up to fifty times slower than one."""
    minimum_frauds: int = 8
    minimum_honest: int = 40
    risk_prior_orders: float = 3.0
    """The model's mean score of a party counts like this many orders in its risk score."""


@dataclass(frozen=True)
class TrainedFraudModel:
    """A fitted booster with its calibration."""

    booster: Any  # lightgbm.Booster
    features: tuple[str, ...]
    slope: float
    intercept: float
    settings: FraudSettings
    as_of: datetime
    rows: int
    frauds: int
    metrics: dict[str, float] = field(default_factory=dict)

    def predict(self, rows: pa.Table) -> Array:
        """Calibrated probability of fraud for each row."""
        return calibrated(self.booster.predict(matrix(rows, self.features), raw_score=True), self.slope, self.intercept)

    def save(self, folder: Path) -> None:
        """Write what ``score.FraudModel.load`` reads, into an existing folder."""
        (folder / "booster.txt").write_text(self.booster.model_to_string())
        about = {"features": self.features, "slope": self.slope, "intercept": self.intercept,
                 "settings": asdict(self.settings)}  # fmt: skip
        (folder / "model.json").write_text(json.dumps(about, indent=1))


def train(
    training_set: pa.Table,
    as_of: datetime,
    chargeback_window_days: float,
    *,
    features: Sequence[str] = FRAUD_FEATURES,
    settings: FraudSettings | None = None,
) -> TrainedFraudModel:
    """Fit on the orders whose label was known at ``as_of``. Raises TooLittleData."""
    settings = settings or FraudSettings()
    labels = Labels.of(training_set, chargeback_window_days)
    at = as_numpy(as_of)
    known = labels.trainable(at)
    rows = training_set.filter(pa.array(known))
    y = labels.frauds_known(at)[known].astype(float)
    frauds, honest = int(y.sum()), int(len(y) - y.sum())
    if frauds < settings.minimum_frauds or honest < settings.minimum_honest:
        raise TooLittleData(
            NAME,
            f"at {as_of:%Y-%m-%d %H:%M} {frauds} frauds and {honest} honest orders are known (the charge-back window is "
            f"{chargeback_window_days:g} days); {settings.minimum_frauds} and {settings.minimum_honest} are needed",
        )
    x = matrix(rows, features)
    slope, intercept = _calibrate(x, y, labels.mature(at)[known], _groups(rows), features, settings)
    booster = _boost(x, y, features, settings)
    return TrainedFraudModel(booster, tuple(features), slope, intercept, settings, as_of, len(y), frauds)


def risk_scores(
    model: TrainedFraudModel, training_set: pa.Table, as_of: datetime, chargeback_window_days: float
) -> dict[str, pa.Table]:
    """Per kind of party (account, card, device) a table of id and score, 0 to 1.

    Share of a party's orders that were charged back among those with a known label, smoothed towards the model's mean
    score of all its orders.
    """
    labels = Labels.of(training_set, chargeback_window_days)
    at = as_numpy(as_of)
    placed = labels.placed_at <= at
    rows = training_set.filter(pa.array(placed))
    scores = model.predict(rows) if rows.num_rows else np.empty(0)
    frauds, known = labels.frauds_known(at)[placed], labels.trainable(at)[placed]
    prior = model.settings.risk_prior_orders
    tables = {}
    for entity in RISK_ENTITIES:
        identities = np.array([identity or "" for identity in party(rows, entity)], dtype=object)
        names, index = np.unique(identities.astype(str), return_inverse=True)
        orders = np.bincount(index, minlength=len(names))
        mean = np.bincount(index, scores, len(names)) / np.maximum(orders, 1)
        charged_back, labelled = (np.bincount(index, mask.astype(float), len(names)) for mask in (frauds, known))
        risk = (charged_back + prior * mean) / (labelled + prior)
        is_party = names != ""
        tables[entity] = pa.table(
            {"id": pa.array(names[is_party].tolist(), pa.string()), "score": pa.array(risk[is_party], pa.float64())}
        )
    return tables


def calibrated(raw: Array, slope: float, intercept: float) -> Array:
    """Probability of a raw score (log odds)."""
    return np.asarray(1.0 / (1.0 + np.exp(-(slope * np.asarray(raw) + intercept))), dtype=float)


def _boost(x: Array, y: Array, features: Sequence[str], settings: FraudSettings) -> Any:
    import lightgbm

    parameters = {
        "objective": "binary",
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": max(3, min(settings.rows_in_leaf, int(y.sum()) // 3)),
        "lambda_l2": settings.l2,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "monotone_constraints": monotone(features),
        "num_threads": settings.threads,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(x, y, feature_name=list(features), params=parameters)
    return lightgbm.train(parameters, data, num_boost_round=settings.rounds)


def _calibrate(
    x: Array, y: Array, mature: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64], features: Sequence[str],
    settings: FraudSettings,
) -> tuple[float, float]:  # fmt: skip
    """Slope and intercept of Platt's sigmoid on scores that the booster gave to rows it was not fitted on.

    Mature orders only: among younger ones only frauds are known, which would make fraud look common.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(settings.folds, int(y.sum()))
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=settings.seed)
    raw = np.full(len(y), np.nan)
    for fit, rest in splitter.split(x, y, groups):
        if 0 < y[fit].sum() < len(fit):
            raw[rest] = _boost(x[fit], y[fit], features, settings).predict(x[rest], raw_score=True)
    usable = np.isfinite(raw) & mature
    if y[usable].sum() < 3 or usable.sum() == y[usable].sum():
        usable = np.isfinite(raw)
    fitted = LogisticRegression(C=10.0).fit(raw[usable, None], y[usable])
    slope = float(fitted.coef_[0, 0])
    return (slope, float(fitted.intercept_[0])) if slope > 0 else (1.0, 0.0)


def _groups(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Rows of one card, else of one account, stand in one fold; a row with neither stands alone."""
    cards, accounts = party(rows, "card"), party(rows, "account")
    names = [card or account or f"row {n}" for n, (card, account) in enumerate(zip(cards, accounts, strict=True))]
    return np.asarray(np.unique(np.array(names), return_inverse=True)[1], dtype=np.int64)
