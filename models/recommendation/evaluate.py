"""Measures recommenders by time: trained up to T, tested on what shoppers did after T.

Of every user who was active before and after T, the products of the test that the user had not touched before T are relevant;
all products are ranked, those of the user's training data excluded. Recall@20 and NDCG@20 are means over these users, the ideal
of NDCG is cut at min(20, relevant products) (the protocol of LightGCN's splits). Products that are new since T count as missed.
Popularity is measured in the same way, by number of shoppers before T.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.definitions import INTEREST_WEIGHTS
from models.errors import TooLittleData
from models.recommendation.score import RecommendationModel
from models.recommendation.train import (
    NAME,
    RecommendationSettings,
    TrainedRecommender,
    best_of,
    best_unseen,
    popularity_order,
    train,
)
from models.split import as_moment, as_numpy, fair_split, moments

AT = 20
Ranked = Callable[[npt.NDArray[np.int64]], Sequence[Sequence[int]]]


@dataclass(frozen=True)
class HeldOut:
    """A model of the past and what its users did next."""

    model: TrainedRecommender
    split_at: datetime
    is_fair_to_champion: bool
    """Whether a champion trained up to the moment that was asked about has seen nothing of the test."""
    rows: npt.NDArray[np.int64]
    """Rows of the model's matrix: users active before and after the split."""
    relevant: list[set[int]]
    """Per such user the columns of relevant products; products unknown to the model have numbers beyond its columns."""


def hold_out(
    interactions: pa.Table,
    as_of: datetime,
    settings: RecommendationSettings,
    *,
    split_at: datetime | None = None,
    champion_as_of: datetime | None = None,
    minimum_test_users: int = 5,
) -> HeldOut:
    """Train up to T and collect the test after it. T by default leaves ``settings.held_out`` of the interactions.

    Raises TooLittleData where fewer than ``minimum_test_users`` users were active on both sides.
    """
    times = moments(interactions["occurred_at"])
    known = np.array([kind in INTEREST_WEIGHTS for kind in interactions["kind"].to_pylist()], dtype=bool)
    usable = interactions.filter(pa.array((times <= as_numpy(as_of)) & known))
    if not usable.num_rows:
        raise TooLittleData(NAME, f"no interaction up to {as_of:%Y-%m-%d %H:%M}")
    times = moments(usable["occurred_at"])
    if split_at is None:
        cut, fair = fair_split(times, settings.held_out, champion_as_of)
    else:
        cut = as_numpy(split_at)
        fair = champion_as_of is not None and champion_as_of <= split_at
    model = train(usable, as_moment(cut), settings=settings)
    rows, relevant = _relevant(model, usable.filter(pa.array(times > cut)))
    if len(rows) < minimum_test_users:
        raise TooLittleData(
            NAME,
            f"{len(rows)} users have something new after {as_moment(cut):%Y-%m-%d %H:%M} and a history before it; "
            f"{minimum_test_users} are needed to measure",
        )
    return HeldOut(model, as_moment(cut), fair, rows, relevant)


def evaluate(held_out: HeldOut) -> dict[str, float]:
    """Metrics of the split model and of popularity on the same users."""
    model = held_out.model
    order = popularity_order(model.matrix)
    popularity = np.empty(len(order), dtype=np.float32)
    popularity[order] = -np.arange(len(order))
    recall, ndcg = ranking_metrics(held_out, lambda rows: best_unseen(model, rows, AT).tolist())
    by_popularity = ranking_metrics(
        held_out,
        lambda rows: best_of(np.tile(popularity, (len(rows), 1)), model.matrix.weights[rows], AT).tolist(),
    )
    return {
        "recall_at_20": recall,
        "ndcg_at_20": ndcg,
        "popularity_recall_at_20": by_popularity[0],
        "popularity_ndcg_at_20": by_popularity[1],
        "test_users": float(len(held_out.rows)),
        "test_interactions": float(sum(len(relevant) for relevant in held_out.relevant)),
    }


def evaluate_champion(held_out: HeldOut, champion: RecommendationModel) -> tuple[float, float]:
    """Recall and NDCG of a published model on the same users: their history before the split is folded in."""
    model = held_out.model
    ids = model.matrix.product_ids
    column = {product_id: index for index, product_id in enumerate(ids)}

    def ranked(rows: npt.NDArray[np.int64]) -> list[list[int]]:
        answers = []
        for row in rows:
            history = model.matrix.weights[row]
            seen = [ids[index] for index in history.indices]
            vector = champion.fold_in(seen, history.data.tolist())
            best = champion.popular(AT + len(seen)) if vector is None else champion.rank(vector, seen, AT)
            unseen = [product_id for product_id in best if product_id not in set(seen)]
            answers.append([column.get(product_id, -1) for product_id in unseen[:AT]])
        return answers

    return ranking_metrics(held_out, ranked)


def ranking_metrics(held_out: HeldOut, ranked: Ranked, at: int = AT) -> tuple[float, float]:
    """Mean recall@at and NDCG@at over the users of the test."""
    gain = 1.0 / np.log2(np.arange(2, at + 2))
    recall = ndcg = 0.0
    for start in range(0, len(held_out.rows), 512):
        rows = held_out.rows[start : start + 512]
        for best, relevant in zip(ranked(rows), held_out.relevant[start : start + 512], strict=True):
            hits = np.array([column in relevant for column in best[:at]], dtype=float)
            recall += float(hits.sum()) / len(relevant)
            ndcg += float(hits @ gain[: len(hits)]) / float(gain[: min(at, len(relevant))].sum())
    users = len(held_out.rows)
    return recall / users, ndcg / users


def _relevant(model: TrainedRecommender, test: pa.Table) -> tuple[npt.NDArray[np.int64], list[set[int]]]:
    matrix = model.matrix
    row_of = {user: row for row, user in enumerate(matrix.users) if not matrix.is_guest[row]}
    column_of = {product_id: column for column, product_id in enumerate(matrix.product_ids)}
    touched: dict[int, set[int]] = {}
    for user, product_id in zip(test["user"].to_pylist(), test["product_id"].to_pylist(), strict=True):
        row = row_of.get(user)
        if row is not None:
            column = column_of.setdefault(product_id, len(column_of))
            touched.setdefault(row, set()).add(column)
    relevant: dict[int, set[int]] = {}
    for row in sorted(touched):
        seen = matrix.weights.indices[matrix.weights.indptr[row] : matrix.weights.indptr[row + 1]]
        fresh = touched[row] - set(seen.tolist())
        if fresh:
            relevant[row] = fresh
    return np.array(list(relevant), dtype=np.int64), list(relevant.values())
