"""Changing prices inside the caller's transaction: product rows locked, rows, audit and events written together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from transactional.inventory.errors import UnknownProducts
from transactional.platform.database import Connection
from transactional.platform.outbox import outbox_columns
from transactional.platform.query import Row, rows
from transactional.pricing import store
from transactional.pricing.events import Reason, price_changed


@dataclass(frozen=True, slots=True)
class NewPrice:
    """A price that a locked product is to have."""

    product: Row
    """As it was locked, but for another base price where it gets one."""
    price: Decimal
    factor: float
    reason: Reason
    proposal_id: UUID | None = None
    model_version: str | None = None


async def lock_products(connection: Connection, product_ids: Collection[UUID]) -> dict[UUID, Row]:
    """The products by id, locked in the order of their ids. Raises UnknownProducts."""
    found = await rows(connection, store.LOCK_PRODUCTS, {"product_ids": list(product_ids)})
    if missing := set(product_ids) - {row["id"] for row in found}:
        raise UnknownProducts(missing)
    return {row["id"]: row for row in found}


async def set_prices(connection: Connection, new: Sequence[NewPrice], actor: str, now: datetime) -> None:
    """Write the prices of locked products; each product at most once."""
    if not new:
        return
    facts = [
        price_changed(
            one.product,
            one.price,
            one.factor,
            one.reason,
            now,
            proposal_id=one.proposal_id,
            model_version=one.model_version,
        )
        for one in new
    ]
    partitions, envelopes = outbox_columns(facts)
    await connection.execute(
        store.SET_PRICES,
        {
            "product_ids": [one.product["id"] for one in new],
            "base_prices": [one.product["base_price"] for one in new],
            "prices": [one.price for one in new],
            "factors": [one.factor for one in new],
            "reasons": [one.reason for one in new],
            "proposal_ids": [one.proposal_id for one in new],
            "versions": [fact.sequence for fact in facts],
            "actor": actor,
            "now": now,
            "partitions": partitions,
            "envelopes": envelopes,
        },
    )
