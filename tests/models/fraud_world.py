"""Orders of a shop with honest shoppers and fraudsters whose signs are known, and charge-backs that come late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from features.definitions import FRAUD_FEATURES
from lakefront.lake.tables import TIME

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = 7.0


def orders(
    count: int = 1500, days: float = 28, share: float = 0.05, signal: float = 1.0, seed: int = 1
) -> tuple[pa.Table, datetime]:
    """A training set and its as_of. ``signal`` 1: three frauds in four fail payments before or come from far; 0: none do."""
    rng = np.random.default_rng(seed)
    placed = np.sort(rng.uniform(0, days, count))
    is_fraud = rng.random(count) < share
    as_of = START + timedelta(days=days)
    features: dict[str, np.ndarray] = {name: np.full(count, np.nan) for name in FRAUD_FEATURES}
    shows = is_fraud & (rng.random(count) < 0.75 * signal)
    features["order_total"] = np.exp(rng.normal(4, 0.7, count) + 0.8 * shows)
    features["account_age_days"] = np.where(shows, rng.exponential(3, count), rng.exponential(60, count))
    features["card_failed_1h"] = rng.poisson(np.where(shows, 2.0, 0.05))
    features["country_differs"] = (rng.random(count) < np.where(shows, 0.7, 0.05)).astype(float)
    features["device_parties"] = rng.poisson(np.where(shows, 2.5, 0.8)).astype(float)
    features["hour_of_day"] = rng.integers(0, 24, count).astype(float)
    back = placed + rng.uniform(1, 6.5, count)
    charged_back = [
        START + timedelta(days=float(at)) if fraud and at <= days else None
        for at, fraud in zip(back, is_fraud, strict=True)
    ]
    columns = {
        "order_id": [f"order-{n}" for n in range(count)],
        "placed_at": pa.array([START + timedelta(days=float(at)) for at in placed], TIME),
        "user": [f"user-{n}" for n in rng.integers(0, count // 3, count)],
        "card": [f"card-{n}" for n in rng.integers(0, count // 2, count)],
        "device": [f"device-{n}" for n in rng.integers(0, count // 2, count)],
        "is_sale": [True] * count,
        "charged_back_at": pa.array(charged_back, TIME),
        "is_fraud": is_fraud.tolist(),
    }
    return pa.table(columns | {name: pa.array(values, from_pandas=True) for name, values in features.items()}), as_of
