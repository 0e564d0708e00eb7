"""Measures fraud models strictly by time: trained at T with what was known at T, tested on orders placed after T.

Test orders must be mature at ``as_of``: old enough that a charge-back would have come. Orders of cards that T already knew
as compromised stay in the test of a shop (their risk is a feature); the handbook's protocol removes them and so does
``known_cards``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.definitions import FRAUD_FEATURES
from models.errors import TooLittleData
from models.fraud.features import party
from models.fraud.labels import Labels
from models.fraud.train import NAME, FraudSettings, TrainedFraudModel, train
from models.split import as_moment, as_numpy

Scores = npt.NDArray[np.float64]
TEST_SHARES = (0.35, 0.25, 0.45, 0.15, 0.55)
"""Shares of the mature orders that may be the test, in the order in which they are tried."""


@dataclass(frozen=True)
class HeldOut:
    """A model of the past and the orders that it is measured on."""

    model: TrainedFraudModel
    split_at: datetime
    test: pa.Table
    is_fraud: npt.NDArray[np.bool_]
    is_fair_to_champion: bool


def hold_out(
    training_set: pa.Table,
    as_of: datetime,
    chargeback_window_days: float,
    *,
    features: Sequence[str] = FRAUD_FEATURES,
    settings: FraudSettings | None = None,
    split_at: datetime | None = None,
    champion_as_of: datetime | None = None,
    minimum_test_frauds: int = 3,
) -> HeldOut:
    """Choose T, train at T, collect the test. Raises TooLittleData when no T leaves enough on both sides.

    By default T leaves a third of the mature orders to the test; if one side has too few frauds, others are tried.
    """
    labels = Labels.of(training_set, chargeback_window_days)
    now = as_numpy(as_of)
    mature = labels.mature(now)
    if not mature.any():
        raise TooLittleData(NAME, f"no order is older than the charge-back window of {chargeback_window_days:g} days")
    fraud = labels.frauds_known(now)
    cuts = [as_numpy(split_at)] if split_at else _cuts(labels.placed_at[mature], champion_as_of)
    problem: TooLittleData | None = None
    for cut in cuts:
        tested = mature & (labels.placed_at > cut)
        frauds = int((fraud & tested).sum())
        if frauds < minimum_test_frauds or frauds == tested.sum():
            problem = TooLittleData(
                NAME,
                f"{frauds} frauds among {int(tested.sum())} mature orders placed after {as_moment(cut):%Y-%m-%d %H:%M}; "
                f"{minimum_test_frauds} are needed to measure",
            )
            continue
        try:
            model = train(training_set, as_moment(cut), chargeback_window_days, features=features, settings=settings)
        except TooLittleData as too_little:
            problem = too_little
            continue
        fair = champion_as_of is not None and champion_as_of <= as_moment(cut)
        test = training_set.filter(pa.array(tested))
        return HeldOut(model, as_moment(cut), test, fraud[tested], fair)
    assert problem is not None
    raise problem


def evaluate(held_out: HeldOut) -> dict[str, float]:
    """Metrics of the split model; average precision of a scorer without knowledge is the share of frauds."""
    scores = held_out.model.predict(held_out.test)
    return measure(held_out, scores) | {
        "test_orders": float(len(scores)),
        "test_frauds": float(held_out.is_fraud.sum()),
        "test_fraud_share": float(held_out.is_fraud.mean()),
        "brier": float(np.mean((scores - held_out.is_fraud) ** 2)),
    }


def measure(held_out: HeldOut, scores: Scores) -> dict[str, float]:
    """AUC, average precision and card precision@100 of any scores of the test orders."""
    days = held_out.test["placed_at"].cast(pa.timestamp("us", tz="UTC")).to_numpy().astype("datetime64[D]")
    cards = np.array([card or "" for card in party(held_out.test, "card")])
    return {
        "auc": area_under_curve(held_out.is_fraud, scores),
        "average_precision": average_precision(held_out.is_fraud, scores),
        "card_precision_at_100": card_precision(days, cards, held_out.is_fraud, scores),
    }


def area_under_curve(is_fraud: npt.NDArray[np.bool_], scores: Scores) -> float:
    """Area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(is_fraud, scores))


def average_precision(is_fraud: npt.NDArray[np.bool_], scores: Scores) -> float:
    """Mean precision over the recall steps."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(is_fraud, scores))


def card_precision(
    days: npt.NDArray[np.generic], cards: npt.NDArray[np.generic], is_fraud: npt.NDArray[np.bool_], scores: Scores,
    top: int = 100,
) -> float:  # fmt: skip
    """Share of compromised cards among the ``top`` riskiest cards of a day, mean over the days (Fraud Detection Handbook).

    A card counts by its riskiest payment; one that was found is not looked at again on later days.
    """
    found: set[object] = set()
    precisions = []
    for day in np.unique(days):
        risk: dict[object, float] = {}
        bad: set[object] = set()
        for place in np.flatnonzero(days == day):
            card = cards[place]
            if card in found or card == "":
                continue
            risk[card] = max(risk.get(card, -np.inf), scores[place])
            if is_fraud[place]:
                bad.add(card)
        riskiest = sorted(risk, key=lambda card: -risk[card])[:top]
        caught = bad.intersection(riskiest)
        precisions.append(len(caught) / top)
        found |= caught
    return float(np.mean(precisions)) if precisions else 0.0


def _cuts(placed: npt.NDArray[np.datetime64], champion_as_of: datetime | None) -> list[np.datetime64]:
    """Times to split at, the preferred first; the champion's end where enough orders are younger."""
    ordered = np.sort(placed)
    cuts = [ordered[min(len(ordered) - 1, max(0, int(len(ordered) * (1 - share)) - 1))] for share in TEST_SHARES]
    if champion_as_of is not None:
        end = as_numpy(champion_as_of)
        if np.count_nonzero(ordered > end) >= TEST_SHARES[-2] * len(ordered):
            cuts.insert(0, max(end, cuts[0]))
    return [np.datetime64(cut) for cut in cuts]
