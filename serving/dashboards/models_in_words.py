"""What the models in force can do, said so that a merchandiser can judge it; their metrics stand in ``lakefront models``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lakefront.artefacts import Manifest

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class ModelInWords:
    """A model in force: what it decides, how well it does, and from which version that is known."""

    name: str
    does: str
    version: str


def in_words(manifest: Manifest) -> ModelInWords:
    """A model's figures as a sentence. Where a figure is not there, the sentence is not either."""
    name, tell = _MODELS[manifest.model]
    try:
        does = tell(manifest.metrics)
    except KeyError:
        does = ""
    return ModelInWords(name, does, manifest.version)


def _recommendations(metrics: Metrics) -> str:
    return (
        f"Of the products that shoppers turned to next, {metrics['recall_at_20']:.0%} stood among the 20 recommended "
        f"to them; {metrics['popularity_recall_at_20']:.0%} would have among the 20 most popular."
    )


def _fraud(metrics: Metrics) -> str:
    return (
        f"Of a fraud and an honest order it tells which is which {metrics['auc']:.0%} of the time, tried on "
        f"{metrics['test_orders']:,.0f} orders that it had not learnt from, {metrics['test_frauds']:,.0f} of them frauds."
    )


def _prices(metrics: Metrics) -> str:
    lost = 1 - 1.1 ** metrics["elasticity"]
    return (
        f"A price that is 10% dearer sells about {lost:.0%} less on average; from that came {metrics['proposals']:,.0f} "
        f"proposals for {metrics['products']:,.0f} products."
    )


_MODELS: dict[str, tuple[str, Callable[[Metrics], str]]] = {
    "recommendation": ("Recommendations", _recommendations),
    "fraud": ("Fraud detection", _fraud),
    "pricing": ("Prices", _prices),
}
