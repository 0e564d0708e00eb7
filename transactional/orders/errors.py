"""What can go wrong with an order, each with its stable code."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from transactional.platform.errors import Problem


class PriceChanged(Problem):
    """A price that the client expects no longer holds; carries the new quote."""

    def __init__(self, quote: dict[str, Any]) -> None:
        super().__init__(409, "price_changed", "A price has changed", "The quote holds the prices of now.", quote=quote)


class TotalChanged(Problem):
    """The total that the client expects no longer holds; carries the new quote."""

    def __init__(self, quote: dict[str, Any]) -> None:
        super().__init__(
            409, "total_changed", "The total has changed", "The quote holds the total of now.", quote=quote
        )


class CartEmpty(Problem):
    """There is nothing to order: perhaps another request has just ordered it."""

    def __init__(self) -> None:
        super().__init__(409, "cart_empty", "The cart is empty")


class MixedCurrencies(Problem):
    def __init__(self, currencies: set[str]) -> None:
        named = ", ".join(sorted(currencies))
        super().__init__(422, "mixed_currencies", "An order is in one currency", f"These lines are in {named}.")


class ShippingNotAvailable(Problem):
    """The chosen service does not take this order; carries those that do."""

    def __init__(self, method: str, options: list[dict[str, Any]]) -> None:
        super().__init__(
            409,
            "shipping_not_available",
            "This shipping method is not offered for this order",
            f"{method} is not offered from here to there just now.",
            shipping_options=options,
        )


class KeyReused(Problem):
    def __init__(self) -> None:
        super().__init__(
            422, "idempotency_key_reused", "This Idempotency-Key was used for another request", "Send a new key."
        )


class StillRunning(Problem):
    """An equal request is still under way."""

    def __init__(self) -> None:
        super().__init__(
            409, "checkout_in_progress", "This order is still being taken", "Ask again shortly.", {"Retry-After": "1"}
        )


class PaymentDeclined(Problem):
    def __init__(self, order_id: UUID, payment_id: UUID, reason: str) -> None:
        super().__init__(
            402,
            "payment_declined",
            "The payment was declined",
            "Pay the order by another method with POST /api/v1/payments/process.",
            order_id=str(order_id),
            payment_id=str(payment_id),
            reason=reason,
        )


class PaymentUnavailable(Problem):
    """The gateway did not take the payment; nothing was charged and the stock is free again."""

    def __init__(self, order_id: UUID, payment_id: UUID) -> None:
        super().__init__(
            503,
            "payment_unavailable",
            "Payments cannot be taken just now",
            "Nothing was charged.",
            {"Retry-After": "10"},
            order_id=str(order_id),
            payment_id=str(payment_id),
        )


class OrderDeclined(Problem):
    def __init__(self, order_id: UUID) -> None:
        super().__init__(403, "order_declined", "This order cannot be accepted", order_id=str(order_id))


class NotPaid(Problem):
    """Goods do not leave the house for an order whose money went back, or never came."""

    def __init__(self, order_id: UUID, payment_status: str) -> None:
        super().__init__(
            409,
            "not_paid",
            "The order is not paid",
            f"The payment of order {order_id} is {payment_status}: cancel the order.",
        )


class NotInThisStatus(Problem):
    def __init__(self, order_id: UUID, status: str, asked: str) -> None:
        super().__init__(
            409,
            "illegal_status",
            "The order's status does not allow this",
            f"The order is {status}: it cannot be {asked}.",
            order_id=str(order_id),
            order_status=status,
        )
