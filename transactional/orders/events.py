"""What orders tell the world. A fact's sequence is the version that the order has because of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lakefront.contracts.commerce import OrderStatus, OrderStatusChanged
from transactional.platform.outbox import Fact

SOURCE = "transactional.orders"


def status_changed(
    order_id: UUID,
    user: UUID | None,
    previous: OrderStatus,
    status: OrderStatus,
    *,
    version: int,
    now: datetime,
    reason: str | None = None,
) -> Fact:
    """The order is in another status; ``version`` is the one it now has."""
    data = OrderStatusChanged(order_id=order_id, user=user, previous=previous, status=status, reason=reason)
    return Fact(data, sequence=version, occurred_at=now, source=SOURCE)
