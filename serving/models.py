"""The models in force in this worker: a thread polls the champions, loads a new version beside the old one and swaps
it in.

Who scores takes the reference once and keeps it for that decision, so that a swap never mixes two versions. A version
that cannot be loaded leaves the one before it in force and is tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from features.definitions import FRAUD_FEATURES
from lakefront.artefacts import ModelStore
from lakefront.telemetry import logger
from models.fraud.score import FraudModel
from models.recommendation.score import RecommendationModel
from serving.metrics import MODEL_LOADS

POLL_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 30.0
_WARM_ROUNDS = 20

Model = TypeVar("Model")
log = logger("serving.models")


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Model]):
    """A model with the version that it is."""

    version: str
    model: Model


class Follower(Generic[Model]):
    """Keeps one model at its champion."""

    def __init__(self, name: str, load: Callable[[Path], Model], warm: Callable[[Model], None]) -> None:
        self.name = name
        self.current: Loaded[Model] | None = None
        self._load = load
        self._warm = warm

    def follow(self, store: ModelStore) -> bool:
        """Load the champion where it is not loaded yet; True when the worker is at the champion afterwards."""
        try:
            version = store.champion(self.name)
            if version is None or (self.current is not None and self.current.version == version):
                return True
            model = self._load(store.path(self.name, version))
            self._warm(model)
        except Exception as error:  # whatever is wrong with a version, the one before it stays in force
            MODEL_LOADS.labels(self.name, "failed").inc()
            log.error("model_not_loaded", model=self.name, error=str(error), in_force=self.version)
            return False
        self.current = Loaded(version, model)
        MODEL_LOADS.labels(self.name, "loaded").inc()
        log.info("model_loaded", model=self.name, version=version)
        return True

    @property
    def version(self) -> str | None:
        """The version in force, None before the first."""
        return self.current.version if self.current is not None else None


class Models:
    """The followers of a worker and the thread that runs them."""

    def __init__(self, store: ModelStore, poll_seconds: float = POLL_SECONDS) -> None:
        self.recommendation: Follower[RecommendationModel] = Follower(
            "recommendation", RecommendationModel.load, _warm_recommendation
        )
        self.fraud: Follower[FraudModel] = Follower("fraud", FraudModel.load, _warm_fraud)
        self._store = store
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)

    def start(self) -> None:
        """Load what is in force and go on following it. Returns at once: until then decisions fall back."""
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        followers: tuple[Follower[Any], ...] = (self.recommendation, self.fraud)
        failures = 0
        while True:
            results = [follower.follow(self._store) for follower in followers]
            failures = 0 if all(results) else failures + 1
            wait = min(self._poll_seconds * 2**failures, _LONGEST_WAIT_SECONDS) if failures else self._poll_seconds
            if self._stopping.wait(wait):
                return


def _warm_recommendation(model: RecommendationModel) -> None:
    """Touch the memory-mapped arrays and the matrix product before the first request does."""
    some = list(model.product_ids[:3])
    vector = np.zeros(model.user_vector_size, dtype=np.float32)
    for _ in range(_WARM_ROUNDS):
        model.rank(vector, set(), 10)
        if some:
            model.fold_in(some, [1.0] * len(some))
            model.similar(some[0], 10)


def _warm_fraud(model: FraudModel) -> None:
    """Let the booster build what it builds on first use, reasons included."""
    features = dict.fromkeys(FRAUD_FEATURES, 0.0)
    for _ in range(_WARM_ROUNDS):
        model.score(features)
    model.reasons(features, 1)
