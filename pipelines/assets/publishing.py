"""What goes back to the shop: features and models' outputs to the online store, price proposals to the core.

A version that the gate refused is stored but not published: what is online belongs to the version in force.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg

from pipelines import publishing
from pipelines.assets.models import MODELS
from pipelines.assets.outcome import given_or_skipped, skip
from pipelines.core_api import CoreUnreachable
from pipelines.publishing import Proposed
from pipelines.resources import PipelineRun
from pipelines.training import Trained

PRICE_PROPOSALS = dg.AssetKey(["core", "price_proposals"])


def _publish(
    context: dg.AssetExecutionContext,
    trained: Trained,
    publish: Callable[[Trained], Any],
    metadata: Callable[[Any], Mapping[str, Any]],
) -> Iterator[Any]:
    if not trained.promoted:
        yield skip(context, f"version {trained.version} was refused: {'; '.join(trained.reasons)}")
        return
    yield from given_or_skipped(context, lambda: publish(trained), (CoreUnreachable,), metadata)


@dg.asset(key=["features", "customer_profile"], deps=[["gold", "customers"]], group_name="features")
def customer_profile(run: PipelineRun) -> None:
    """Customers' profiles, online."""
    publishing.publish_customers(run.moment())


@dg.asset(
    key=["features", "user_recommendations"],
    ins={"trained": dg.AssetIn(MODELS["recommendation"])},
    group_name="features",
    output_required=False,
)
def user_recommendations(context: dg.AssetExecutionContext, run: PipelineRun, trained: Trained) -> Iterator[Any]:
    """Each user's vector and best items, online."""
    yield from _publish(context, trained, publishing.publish_recommendations, lambda users: {"users": users})


@dg.asset(
    key=["features", "party_risk"],
    ins={"trained": dg.AssetIn(MODELS["fraud"])},
    group_name="features",
    output_required=False,
)
def party_risk(context: dg.AssetExecutionContext, run: PipelineRun, trained: Trained) -> Iterator[Any]:
    """Risk of accounts, cards and devices, online."""
    yield from _publish(context, trained, publishing.publish_risk, lambda counts: counts)


@dg.asset(key=PRICE_PROPOSALS, ins={"trained": dg.AssetIn(MODELS["pricing"])}, group_name="core", output_required=False)
def price_proposals(context: dg.AssetExecutionContext, run: PipelineRun, trained: Trained) -> Iterator[Any]:
    """Price proposals in the core: small ones hold at once, the others wait for a merchandiser."""
    yield from _publish(
        context, trained, publishing.propose_prices,
        lambda proposed: {"approved": proposed.approved, "pending": proposed.pending},
    )  # fmt: skip


@dg.asset(
    key=["features", "product_price"],
    ins={"proposed": dg.AssetIn(PRICE_PROPOSALS)},
    group_name="features",
    output_required=False,
)
def product_price(context: dg.AssetExecutionContext, run: PipelineRun, proposed: Proposed) -> Iterator[Any]:
    """Proposed price factors with their proposal, online."""
    yield dg.Output(None, metadata={"products": publishing.publish_price_factors(proposed)})
