"""Publishing: features and models' outputs to Feast, price proposals to the core."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pipelines import core_api
from pipelines.training import Trained

PROPOSALS_A_CALL = 500


@dataclass(frozen=True)
class Proposed:
    """What the core did with the proposals: ``factors`` has product_id, factor and proposal_id of each."""

    model_version: str
    as_of: datetime
    approved: int
    pending: int
    factors: pa.Table


def publish_customers(as_of: datetime) -> None:
    """Bring customers' profiles online."""
    from features.publish import materialize

    materialize(as_of)


def publish_recommendations(trained: Trained) -> int:
    """Put each user's vector and best items online; returns how many users."""
    from features.publish import publish_recommendations as publish

    return publish(trained.outputs["users"], trained.version, trained.as_of)


def publish_risk(trained: Trained) -> dict[str, int]:
    """Put the risk of accounts, cards and devices online; returns how many of each."""
    from features.publish import publish_risk as publish

    return {
        entity: publish(entity, scores, trained.version, trained.as_of) for entity, scores in trained.outputs.items()
    }


def propose_prices(trained: Trained) -> Proposed:
    """Send the proposals to the core, which approves small ones at once. Raises core_api.CoreUnreachable."""
    wanted = [
        {"product_id": row["product_id"], "factor": row["factor"], "reasons": json.loads(row["reasons"])}
        for row in trained.outputs["proposals"].select(["product_id", "factor", "reasons"]).to_pylist()
    ]
    taken = []
    for start in range(0, len(wanted), PROPOSALS_A_CALL):
        body = {"model_version": trained.version, "proposals": wanted[start : start + PROPOSALS_A_CALL]}
        taken.extend(core_api.post("/pricing/proposals", body)["items"])
    factors = pa.table(
        {
            "product_id": pa.array([one["product_id"] for one in taken], pa.string()),
            "factor": pa.array([one["factor"] for one in taken], pa.float64()),
            "proposal_id": pa.array([one["proposal_id"] for one in taken], pa.string()),
        }
    )
    statuses = [one["status"] for one in taken]
    return Proposed(trained.version, trained.as_of, statuses.count("approved"), statuses.count("pending"), factors)


def publish_price_factors(proposed: Proposed) -> int:
    """Put the proposed factors online with their proposal's id: they hold once, and only if, that proposal is approved."""
    from features.publish import publish_price_factors as publish

    return publish(proposed.factors, proposed.model_version, proposed.as_of)
