"""Latencies that cross processes (click to feature, click to bronze): recent samples in Redis, for the demo and the
bench.

Who ends the way records how long it took; who wants the figures reads the samples of a stretch of time. The samples
of a name stand in a capped Redis stream, one entry per batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

CLICK_TO_FEATURE = "click_to_feature"
CLICK_TO_BRONZE = "click_to_bronze"
_ENTRIES_KEPT = 6000
_SAMPLES_PER_ENTRY = 200


@dataclass(frozen=True, slots=True)
class Latencies:
    """Percentiles in milliseconds; None where there are no samples."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None


def stream_key(name: str) -> str:
    """Redis key of the samples of a latency."""
    return f"lakefront:latency:{name}"


def add_samples(pipeline: Any, name: str, milliseconds: Sequence[float]) -> None:
    """Add samples to a Redis pipeline. Of a large batch an even selection is kept."""
    if not milliseconds:
        return
    step = -(-len(milliseconds) // _SAMPLES_PER_ENTRY)
    kept = orjson.dumps([round(value, 1) for value in milliseconds[::step]])
    pipeline.xadd(stream_key(name), {"ms": kept}, maxlen=_ENTRIES_KEPT, approximate=True)


def read_samples(client: Any, name: str, since: datetime, until: datetime | None = None) -> list[float]:
    """Samples recorded from a real time on (and up to another), through a synchronous Redis client."""
    last = "+" if until is None else str(int(until.timestamp() * 1000))
    entries = client.xrange(stream_key(name), min=str(int(since.timestamp() * 1000)), max=last)
    return [sample for _, fields in entries for sample in orjson.loads(fields[b"ms"])]


def latencies(samples: Sequence[float]) -> Latencies:
    """Percentiles of samples (nearest rank)."""
    ordered = sorted(samples)
    if not ordered:
        return Latencies(0, None, None, None)

    def rank(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return Latencies(len(ordered), rank(0.50), rank(0.95), rank(0.99))
