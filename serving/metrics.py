"""Prometheus figures of the online decisions."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Histogram

DECISIONS = Counter(
    "lakefront_decisions",
    "Online decisions by what they decided and why the model's own answer could not be used.",
    ["decision", "outcome", "fallback"],
)
LATENCY = Histogram(
    "lakefront_decision_seconds",
    "Time from question to decision: features read, models scored.",
    ["decision"],
    buckets=(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25),
)
MODEL_LOADS = Counter("lakefront_model_loads", "Model versions loaded by this worker.", ["model", "result"])


def count(decision: str, outcome: str, fallback: str | None, latency_ms: float) -> None:
    """Count a decision and its latency."""
    counter, latencies = _series(decision, outcome, fallback or "")
    counter.inc()
    latencies.observe(latency_ms / 1000)


@lru_cache(maxsize=256)
def _series(decision: str, outcome: str, fallback: str) -> tuple[Counter, Histogram]:
    """Looking a series up by its labels costs more than counting in it."""
    return DECISIONS.labels(decision, outcome, fallback), LATENCY.labels(decision)
