"""Models trained on tiny data whose answer is known, and an online store to fill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pyarrow as pa
import pytest
import redis

from features.definitions import FRAUD_FEATURES, View
from features.online_writer import Row, add_rows
from lakefront.artefacts import ModelStore
from serving.decisions import Decisions
from serving.models import Models
from serving.online_store import OnlineStore
from serving.reputation import Reputation, SandboxReputation

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TASTES = {taste: [str(UUID(int=(taste << 32) + number)) for number in range(20)] for taste in (1, 2)}
POPULAR = [str(UUID(int=(9 << 32) + number)) for number in range(60)]


def train_recommendation(store: ModelStore, seed: int = 0) -> str:
    """A model of two tastes, put in force; returns its version."""
    from models.recommendation.train import RecommendationSettings, train

    random = np.random.default_rng(seed)
    rows = [
        {"user": f"u{taste}-{shopper}", "product_id": product, "kind": "view", "quantity": 1, "occurred_at": NOW}
        for taste, products in TASTES.items()
        for shopper in range(30)
        for product in random.choice(products, 10, replace=False).tolist()
    ]
    settings = RecommendationSettings(factors=4, iterations=8, threads=1, seed=seed, regularization=0.1)
    model = train(pa.Table.from_pylist(rows), NOW, settings=settings)
    version = store.save("recommendation", model.save, as_of=NOW, metrics={}).version
    store.promote("recommendation", version)
    return version


def train_fraud(store: ModelStore) -> str:
    """A model to which failed payments of the device mean fraud, put in force; returns its version."""
    from models.fraud.train import FraudSettings, train

    placed = NOW - timedelta(days=30)
    rows = []
    for number in range(400):
        is_fraud = number % 5 == 0
        features: dict[str, Any] = dict.fromkeys(FRAUD_FEATURES, 0.0)
        features |= {"device_failed_1h": 4.0 if is_fraud else 0.0, "order_total": 20.0 + number % 7}
        facts = {"order_id": str(number), "placed_at": placed, "device": f"d{number}", "action": "allow"}
        facts |= {"charged_back_at": placed + timedelta(days=2) if is_fraud else None}
        rows.append(facts | features)
    model = train(pa.Table.from_pylist(rows), NOW, 7, settings=FraudSettings(rounds=40, folds=2))
    version = store.save("fraud", model.save, as_of=NOW, metrics={}).version
    store.promote("fraud", version)
    return version


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """Both models, in force. Tests do not change what is in force here."""
    store = ModelStore(Path(tmp_path_factory.mktemp("models")))
    train_recommendation(store)
    train_fraud(store)
    return store


@pytest.fixture
def write_features(store_url: str) -> Iterator[Callable[..., None]]:
    """``write_features(view, entity, features, at=NOW)``: as the feature writer and the publishers do."""
    with redis.Redis.from_url(store_url) as client:

        def write(view: View, entity: str, features: dict[str, Any], at: datetime = NOW) -> None:
            pipeline = client.pipeline()
            add_rows(pipeline, [Row(view, entity, features, at)])
            pipeline.execute()

        yield write


@pytest.fixture
def now() -> datetime:
    """Business time of these tests."""
    return NOW


@pytest.fixture
def tastes() -> dict[int, list[str]]:
    """Two groups of products; the model's shoppers like one of them each."""
    return TASTES


@pytest.fixture
def popular() -> list[str]:
    """The core's own fallback list; no model knows these."""
    return POPULAR


@pytest.fixture
async def decisions_at(model_store: ModelStore) -> AsyncIterator[Callable[..., Decisions]]:
    """``decisions_at(url, models=model_store, deadline_ms=2000)``: a worker's decisions, models loaded."""
    made = []

    def start(url: str, models: ModelStore = model_store, deadline_ms: float = 2000) -> Decisions:
        following = Models(models)
        following.recommendation.follow(models)
        following.fraud.follow(models)
        following.start()
        reputation = Reputation(SandboxReputation(), deadline_seconds=0.2)
        made.append(Decisions(OnlineStore(url, deadline_ms), following, reputation))
        return made[-1]

    yield start
    for decisions in made:
        await decisions.close()


@pytest.fixture
def decisions(decisions_at: Callable[..., Decisions], store_url: str) -> Decisions:
    """A worker's decisions with both models and the store."""
    return decisions_at(store_url)


@pytest.fixture
def someone() -> str:
    """A fresh pseudonym, so that tests do not meet in the store."""
    return str(uuid4())
