"""Training: inputs from the lake, a stored and gated version out, with the tables that its publication needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakefront.lake.access import open_table, read
from lakefront.lake.tables import (
    GOLD_FRAUD_LABELS,
    GOLD_PRODUCT_DAYS,
    GOLD_PRODUCTS,
    INTERACTIONS,
    Table,
)
from lakefront.settings import settings

if TYPE_CHECKING:
    from models.publish import Published


@dataclass(frozen=True)
class Trained:
    """A stored version, whether it is in force now, and what is to be published of it."""

    version: str
    promoted: bool
    reasons: list[str]
    """What the gate said."""
    metrics: dict[str, float]
    as_of: datetime
    outputs: dict[str, pa.Table] = field(default_factory=dict)


def train_recommendation(as_of: datetime, lake_uri: str | None = None) -> Trained:
    """ALS on silver interactions; outputs ``users`` (user, vector, items). Raises TooLittleData."""
    from models.recommendation.publish import train_and_gate

    columns = ["user", "session", "product_id", "kind", "quantity", "occurred_at"]
    published = train_and_gate(read(INTERACTIONS, columns, lake_uri), as_of, data=snapshot([INTERACTIONS], lake_uri))
    return _trained(published, as_of, {"users": published.model.user_vectors()})


def train_fraud(as_of: datetime, lake_uri: str | None = None) -> Trained:
    """LightGBM on the features of past decisions; outputs ``account``, ``card``, ``device`` (id, score). TooLittleData."""
    from features.training import fraud_training_set
    from models.fraud.publish import train_and_gate, usable
    from models.fraud.train import risk_scores

    training_set = fraud_training_set(as_of, lake_uri)
    window = settings().chargeback_window_days
    published = train_and_gate(
        training_set, as_of, chargeback_window_days=window, data=snapshot([GOLD_FRAUD_LABELS], lake_uri)
    )
    return _trained(published, as_of, risk_scores(published.model, usable(training_set, as_of), as_of, window))


def train_pricing(as_of: datetime, lake_uri: str | None = None) -> Trained:
    """Elasticities and price proposals from gold; outputs ``proposals`` (product_id, factor, reasons). TooLittleData."""
    from models.pricing.publish import train_and_gate

    published = train_and_gate(
        read(GOLD_PRODUCT_DAYS, lake_uri=lake_uri), read(GOLD_PRODUCTS, lake_uri=lake_uri), as_of,
        data=snapshot([GOLD_PRODUCT_DAYS, GOLD_PRODUCTS], lake_uri),
    )  # fmt: skip
    return _trained(published, as_of, {"proposals": published.model.proposals})


def snapshot(tables: Iterable[Table], lake_uri: str | None = None) -> dict[str, Any]:
    """Delta version of each table, for the manifest."""
    handles = {table.path: open_table(table, lake_uri) for table in tables}
    return {"tables": {path: handle.version() for path, handle in handles.items() if handle is not None}}


def _trained(published: Published[Any], as_of: datetime, outputs: dict[str, pa.Table]) -> Trained:
    return Trained(
        published.version, published.promoted, published.verdict.reasons, published.manifest.metrics, as_of, outputs
    )
