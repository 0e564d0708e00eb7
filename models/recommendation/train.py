"""Fits the recommendation model: ALS from ``implicit`` on confidences of views, carts and orders.

Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008). An interaction weighs by its kind and
half as much after ``half_life_days`` days of trade. Guests' sessions take part as rows of their own: they teach the products'
factors but get no vector.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.definitions import INTEREST_WEIGHTS
from models.errors import TooLittleData
from models.recommendation.score import RecommendationModel, confidence
from models.split import as_numpy, moments, trade_days_before

NAME = "recommendation"


@dataclass(frozen=True)
class RecommendationSettings:
    """How the model is fitted; the defaults did best on the log of the UCI wholesaler and are quick."""

    factors: int = 48
    regularization: float = 10.0
    alpha: float = 2.0
    iterations: int = 12
    half_life_days: float | None = 20.0
    """Days of trade after which an interaction counts half; None: never."""
    best_items: int = 50
    held_out: float = 0.2
    """Share of the interactions, the latest ones, that the evaluation keeps from the training."""
    seed: int = 0
    threads: int = 2
    minimum_users: int = 10
    minimum_products: int = 10


@dataclass(frozen=True)
class InteractionMatrix:
    """Summed weights, users × products, with the names of rows and columns."""

    users: list[str]
    product_ids: list[str]
    weights: Any  # scipy.sparse.csr_matrix
    is_guest: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrainedRecommender:
    """A fitted model with the users that it was fitted on."""

    matrix: InteractionMatrix
    user_factors: npt.NDArray[np.float32]
    item_factors: npt.NDArray[np.float32]
    settings: RecommendationSettings
    as_of: datetime
    metrics: dict[str, float] = field(default_factory=dict)

    def scorer(self) -> RecommendationModel:
        """The same model as a worker would load it."""
        return RecommendationModel(
            self.matrix.product_ids, self.item_factors, self._gram(), self._popularity().tolist(), self.settings.alpha
        )

    def save(self, folder: Path) -> None:
        """Write what ``score.RecommendationModel.load`` reads, into an existing folder."""
        np.save(folder / "item_factors.npy", self.item_factors)
        np.save(folder / "gram.npy", self._gram())
        np.save(folder / "popularity.npy", self._popularity().astype(np.int32))
        (folder / "product_ids.json").write_text(json.dumps(self.matrix.product_ids))
        (folder / "model.json").write_text(
            json.dumps({"alpha": self.settings.alpha, "settings": asdict(self.settings)})
        )

    def user_vectors(self) -> pa.Table:
        """Per known user the vector and the best products not seen yet: what goes to the online store."""
        ids = np.array(self.matrix.product_ids, dtype=object)
        rows = np.flatnonzero(~self.matrix.is_guest)
        items: list[list[str]] = []
        for start in range(0, len(rows), 512):
            some = rows[start : start + 512]
            ranked = best_unseen(self, some, self.settings.best_items)
            items.extend([ids[row[row >= 0]].tolist() for row in ranked])
        return pa.table(
            {
                "user": pa.array([self.matrix.users[row] for row in rows], pa.string()),
                "vector": pa.array(list(self.user_factors[rows].astype(np.float32)), pa.list_(pa.float32())),
                "items": pa.array(items, pa.list_(pa.string())),
            }
        )

    def _gram(self) -> npt.NDArray[np.float32]:
        factors = self.item_factors.astype(np.float64)
        return (factors.T @ factors + self.settings.regularization * np.eye(factors.shape[1])).astype(np.float32)

    def _popularity(self) -> npt.NDArray[np.int64]:
        return popularity_order(self.matrix)


def train(
    interactions: pa.Table, as_of: datetime, *, settings: RecommendationSettings | None = None
) -> TrainedRecommender:
    """Fit on all interactions up to ``as_of`` (columns user, product_id, kind, occurred_at; session where guests count).

    Raises TooLittleData.
    """
    settings = settings or RecommendationSettings()
    matrix = interaction_matrix(interactions, as_of, settings)
    users, products = matrix.weights.shape
    if users < settings.minimum_users or products < settings.minimum_products:
        raise TooLittleData(
            NAME,
            f"{users} shoppers and {products} products with interactions up to {as_of:%Y-%m-%d %H:%M}; "
            f"{settings.minimum_users} and {settings.minimum_products} are needed",
        )
    user_factors, item_factors = _factorize(matrix, settings)
    return TrainedRecommender(matrix, user_factors, item_factors, settings, as_of)


def interaction_matrix(interactions: pa.Table, as_of: datetime, settings: RecommendationSettings) -> InteractionMatrix:
    """Sum the weights of each shopper's interactions with each product up to ``as_of``."""
    from scipy import sparse

    times = moments(interactions["occurred_at"])
    shoppers, guests = _shoppers(interactions)
    kinds = np.asarray(interactions["kind"].to_pylist(), dtype=object)
    known = np.array([kind in INTEREST_WEIGHTS for kind in kinds], dtype=bool)
    keep = (times <= as_numpy(as_of)) & known & (shoppers != "")
    if not keep.any():
        empty = sparse.csr_matrix((0, 0), dtype=np.float32)
        return InteractionMatrix([], [], empty, np.zeros(0, dtype=bool))
    weights = np.array([INTEREST_WEIGHTS[kind] for kind in kinds[keep]], dtype=np.float64)
    if settings.half_life_days is not None:
        weights *= 0.5 ** (trade_days_before(times[keep], as_numpy(as_of)) / settings.half_life_days)
    products = np.asarray(interactions["product_id"].to_pylist(), dtype=object)[keep]
    user_names, first, rows = np.unique(shoppers[keep], return_index=True, return_inverse=True)
    product_names, columns = np.unique(products, return_inverse=True)
    summed = sparse.csr_matrix(
        (weights.astype(np.float32), (rows, columns)), shape=(len(user_names), len(product_names))
    )
    summed.sum_duplicates()
    return InteractionMatrix(user_names.tolist(), product_names.tolist(), summed, guests[keep][first])


def popularity_order(matrix: InteractionMatrix) -> npt.NDArray[np.int64]:
    """Products by the number of shoppers who interacted with them, most first."""
    counts = np.bincount(matrix.weights.indices, minlength=matrix.weights.shape[1])
    return np.argsort(-counts, kind="stable")


def best_unseen(model: TrainedRecommender, rows: npt.NDArray[np.int64], limit: int) -> npt.NDArray[np.int64]:
    """For each of these users the best products outside the training data; -1 where there are no more."""
    scores = model.user_factors[rows] @ model.item_factors.T
    return best_of(scores, model.matrix.weights[rows], limit)


def best_of(scores: npt.NDArray[np.float32], seen: Any, limit: int) -> npt.NDArray[np.int64]:
    """Column numbers of the best scores of each row outside the sparse matrix ``seen``; -1 where there are no more."""
    scores = scores.copy()
    scores[seen.nonzero()] = -np.inf
    limit = min(limit, scores.shape[1])
    top = np.argpartition(-scores, limit - 1, axis=1)[:, :limit]
    chosen = np.take_along_axis(scores, top, axis=1)
    order = np.lexsort((top, -chosen), axis=1)
    top = np.take_along_axis(top, order, axis=1)
    top[~np.isfinite(np.take_along_axis(chosen, order, axis=1))] = -1
    return np.asarray(top, dtype=np.int64)


def _shoppers(interactions: pa.Table) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    """Who interacted: the user, else the guest's session, '' where neither is known; and who of them is a guest."""
    users = interactions["user"].to_pylist()
    has_sessions = "session" in interactions.column_names
    sessions = interactions["session"].to_pylist() if has_sessions else [None] * len(users)
    names = [user or (f"session:{session}" if session else "") for user, session in zip(users, sessions, strict=True)]
    return np.array(names, dtype=object), np.array([not user for user in users], dtype=bool)


def _factorize(
    matrix: InteractionMatrix, settings: RecommendationSettings
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # BLAS threads under ALS's own threads slow it tenfold
    import threadpoolctl
    from implicit.cpu.als import AlternatingLeastSquares

    confidences = matrix.weights.copy()
    confidences.data = confidence(confidences.data, settings.alpha)
    with threadpoolctl.threadpool_limits(1, "blas"):
        als = AlternatingLeastSquares(
            factors=min(settings.factors, min(confidences.shape) - 1),
            regularization=settings.regularization,
            alpha=1.0,
            iterations=settings.iterations,
            random_state=settings.seed,
            num_threads=settings.threads,
        )
        als.fit(confidences, show_progress=False)
    return np.asarray(als.user_factors, dtype=np.float32), np.asarray(als.item_factors, dtype=np.float32)
