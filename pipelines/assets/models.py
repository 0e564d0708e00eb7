"""Training of the three models. One that has too little data says so and is skipped; the others go on."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import dagster as dg

from pipelines import training
from pipelines.assets.outcome import given_or_skipped
from pipelines.resources import PipelineRun
from pipelines.training import Trained

MODELS = {name: dg.AssetKey(["models", name]) for name in ("recommendation", "fraud", "pricing")}


def _train(context: dg.AssetExecutionContext, train: Callable[[datetime], Trained], run: PipelineRun) -> Iterator[Any]:
    from models.errors import TooLittleData

    return given_or_skipped(context, lambda: train(run.moment()), (TooLittleData,), _metadata)


def _metadata(trained: Trained) -> dict[str, Any]:
    return {
        "version": trained.version,
        "in_force": trained.promoted,
        "gate": trained.reasons,
        **{name: float(value) for name, value in trained.metrics.items()},
    }


@dg.asset(key=MODELS["recommendation"], deps=[["silver", "interactions"]], group_name="models", output_required=False)
def recommendation(context: dg.AssetExecutionContext, run: PipelineRun) -> Iterator[Any]:
    """ALS on what shoppers viewed, carted and bought."""
    yield from _train(context, training.train_recommendation, run)


@dg.asset(
    key=MODELS["fraud"],
    deps=[["gold", "fraud_labels"], ["silver", "orders"], ["silver", "payments"]],
    group_name="models",
    output_required=False,
)
def fraud(context: dg.AssetExecutionContext, run: PipelineRun) -> Iterator[Any]:
    """LightGBM on the features that verdicts were made from and the charge-backs known by now."""
    yield from _train(context, training.train_fraud, run)


@dg.asset(
    key=MODELS["pricing"],
    deps=[["gold", "product_days"], ["gold", "products"]],
    group_name="models",
    output_required=False,
)
def pricing(context: dg.AssetExecutionContext, run: PipelineRun) -> Iterator[Any]:
    """Elasticities from past prices, and proposals from elasticity and stock."""
    yield from _train(context, training.train_pricing, run)
