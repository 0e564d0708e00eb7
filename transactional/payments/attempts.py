"""Attempts of an authorization that came to nothing at a gateway: what routing learns from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from prometheus_client import Counter

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.payments import store
from transactional.payments.routing import UNKNOWN_REGION
from transactional.platform.database import Connection

AttemptOutcome = Literal["refused", "not_sent", "unknown"]
Attempt = Mapping[str, Any]


_failed = Counter(
    "lakefront_payment_attempts_failed", "Authorizations that came to nothing at a gateway.", ["gateway", "outcome"]
)


def failed(context: Mapping[str, Any], outcome: AttemptOutcome) -> Attempt:
    """The attempt that a checkout's context tells of."""
    _failed.labels(context["gateway"], outcome).inc()
    return {
        "id": new_id(),
        "payment_id": context["payment_id"],
        "gateway": context["gateway"],
        "outcome": outcome,
        "region": context.get("payment_region", UNKNOWN_REGION),
        "method": context.get("paid_by", "card"),
        "real_now": real_now(),
    }


async def write(connection: Connection, attempt: Attempt | None) -> None:
    """Write it in the caller's transaction."""
    if attempt:
        await connection.execute(store.ADD_ATTEMPT, attempt)
