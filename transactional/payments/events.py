"""What payments tell the world. ``amount`` is the payment's amount; of a refund, the amount of that refund."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from lakefront.contracts.commerce import PaymentChanged
from lakefront.money import rounded
from transactional.platform.outbox import Fact

SOURCE = "transactional.payments"


def payment_changed(
    payment: Mapping[str, Any], now: datetime, *, reason: str | None = None, amount: Decimal | None = None
) -> Fact:
    """The payment (a row of the payments table with its ``user``) is in another status; its version is the one it now
    has."""
    data = PaymentChanged(
        payment_id=payment["id"],
        order_id=payment["order_id"],
        user=payment["user"],
        status=payment["status"],
        amount=rounded(payment["amount"] if amount is None else amount, payment["currency"]),
        currency=payment["currency"],
        gateway=payment["gateway"],
        reason=reason,
        device=payment["device"],
        card=payment["card"],
        address=payment["address"],
    )
    return Fact(data, sequence=payment["version"], occurred_at=now, source=SOURCE)
