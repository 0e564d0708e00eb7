"""The order's state machine: which moves are legal. Everything that changes a status asks here."""

from __future__ import annotations

from lakefront.contracts.commerce import OrderStatus

MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    "pending": frozenset({"review", "confirmed", "failed", "cancelled"}),
    "review": frozenset({"confirmed", "cancelled"}),
    "confirmed": frozenset({"processing", "cancelled"}),
    "processing": frozenset({"shipped", "cancelled"}),
    "shipped": frozenset({"delivered"}),
    "delivered": frozenset(),
    "cancelled": frozenset(),
    "failed": frozenset({"pending"}),  # its payment is tried again
}

CANCELLABLE: frozenset[OrderStatus] = frozenset({"review", "confirmed", "processing"})
"""What a customer may cancel: a pending order is still being checked out, a failed one holds nothing."""


class IllegalMove(ValueError):
    """An order cannot go from its status to the one asked for."""


def check_move(previous: OrderStatus, status: OrderStatus) -> None:
    """Raise ``IllegalMove`` unless an order may go from ``previous`` to ``status``."""
    if status not in MOVES[previous]:
        raise IllegalMove(f"an order cannot go from {previous} to {status}")


def project(history: list[tuple[str, dict[str, object]]]) -> OrderStatus:
    """The status that a history of (event type, data) leads to. Raises ``IllegalMove`` where it breaks the rules."""
    status: OrderStatus = "pending"
    for fact, data in history:
        if fact != "commerce.order.status_changed.v1":
            continue
        if data["previous"] != status:
            raise IllegalMove(f"the history says {data['previous']} where the order was {status}")
        following: OrderStatus = data["status"]  # type: ignore[assignment]
        check_move(status, following)
        status = following
    return status
