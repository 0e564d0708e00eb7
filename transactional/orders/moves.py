"""Moving an order to another status inside the caller's transaction: row, history and event together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from lakefront.contracts.commerce import OrderStatus
from transactional.orders import projection, store
from transactional.orders.events import status_changed
from transactional.orders.states import check_move
from transactional.platform.database import Connection
from transactional.platform.outbox import outbox_columns
from transactional.platform.query import first, jsonb

SNAPSHOT_EVERY = 10
"""An order usually has five facts; only a long history is worth a snapshot."""


class OrderMoved(RuntimeError):
    """The order was changed by someone else since it was read."""


async def move(
    connection: Connection,
    order_id: UUID,
    user: UUID | None,
    previous: OrderStatus,
    status: OrderStatus,
    *,
    version: int,
    now: datetime,
    reason: str | None = None,
    changed: Mapping[str, Any] | None = None,
    lines: Sequence[dict[str, Any]] = (),
) -> None:
    """Move the order on; ``version`` is the one it has because of it.

    ``changed`` and ``lines`` are what the caller changes of the order's other columns and of its lines, for the history.

    Raises OrderMoved, IllegalMove.
    """
    check_move(previous, status)
    fact = status_changed(order_id, user, previous, status, version=version, now=now, reason=reason)
    partitions, envelopes = outbox_columns([fact])
    done = await first(
        connection,
        store.MOVE,
        {
            "order_id": order_id,
            "previous": previous,
            "status": status,
            "version": version,
            "now": now,
            "fact": fact.data.event_type,
            "fact_data": jsonb(fact.data.model_dump(mode="json")),
            "changes": jsonb({"order": {"status": status} | dict(changed or {}), "lines": list(lines)}),
            "partitions": partitions,
            "envelopes": envelopes,
        },
    )
    if not done or not done["moved"]:
        raise OrderMoved(f"order {order_id} is no longer {previous} at version {version - 1}")
    if version % SNAPSHOT_EVERY == 0:
        await projection.take_snapshot(connection, order_id, now)
