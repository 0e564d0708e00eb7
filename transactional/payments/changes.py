"""A payment's changes of status, inside the caller's transaction, each with its event."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.payments import store
from transactional.payments.events import payment_changed
from transactional.platform.database import Connection
from transactional.platform.outbox import tell
from transactional.platform.query import Row, first

PaymentStatus = Literal["pending", "authorized", "captured", "failed", "voided", "refunded", "charged_back"]
OperationKind = Literal["capture", "reverse"]
"""What is asked for here; refunds are granted by ``operations.refund``, strays looked for by ``look_for_stray``."""

MOVES: dict[PaymentStatus, tuple[PaymentStatus, ...]] = {
    "authorized": ("pending",),
    "captured": ("authorized", "captured"),
    "failed": ("pending", "authorized"),
    "voided": ("pending", "authorized"),
    "refunded": ("captured", "refunded"),
    "charged_back": ("authorized", "captured", "refunded"),
}
"""From which statuses each one may be reached; what stays where it is, is a partial refund."""


async def change(
    connection: Connection,
    payment_id: UUID,
    status: PaymentStatus,
    now: datetime,
    *,
    reason: str | None = None,
    failure_reason: str | None = None,
    gateway: str | None = None,
    gateway_reference: str | None = None,
    amount: Decimal | None = None,
    told_as: PaymentStatus | None = None,
) -> Row | None:
    """Move the payment on and tell of it; None, and nothing done, when its status does not allow it."""
    changed = await first(
        connection,
        store.CHANGE,
        {
            "payment_id": payment_id,
            "status": status,
            "from": list(MOVES[status]),
            "now": now,
            "failure_reason": failure_reason,
            "gateway": gateway,
            "gateway_reference": gateway_reference,
        },
    )
    if changed:
        told = {**changed, "status": told_as or status}
        await tell(connection, [payment_changed(told, now, reason=reason or failure_reason, amount=amount)])
    return changed


async def ask(
    connection: Connection,
    payment_id: UUID,
    kind: OperationKind,
    amount: Decimal,
    now: datetime,
    *,
    reason: str | None = None,
) -> UUID:
    """Have the gateway do something for a payment, durably: a worker carries it out."""
    operation_id = new_id()
    await connection.execute(
        store.ADD_OPERATION,
        {
            "id": operation_id,
            "payment_id": payment_id,
            "kind": kind,
            "amount": amount,
            "reason": reason,
            "real_now": real_now(),
            "now": now,
        },
    )
    return operation_id


async def ask_capture(connection: Connection, order_id: UUID, now: datetime) -> None:
    """Have an order's authorized payment captured, once; nothing where it is captured or asked for already."""
    payment = await latest(connection, order_id)
    if payment is None or payment["status"] != "authorized":
        return
    if not payment["amount"]:
        await change(connection, payment["id"], "captured", now)
    elif not await first(connection, store.CAPTURE_ASKED, {"payment_id": payment["id"]}):
        await ask(connection, payment["id"], "capture", payment["amount"], now)


async def look_for_stray(
    connection: Connection, payment_id: UUID, gateway: str, now: datetime, after: timedelta = timedelta(0)
) -> None:
    """Have a gateway asked for a charge of this payment that is not (or no longer) its own, and the charge voided."""
    parameters = {"id": new_id(), "payment_id": payment_id, "gateway": gateway, "reason": "late_success"}
    await connection.execute(store.ADD_STRAY, parameters | {"due_at": real_now() + after, "now": now})


async def latest(connection: Connection, order_id: UUID) -> Row | None:
    """The latest payment of an order, locked."""
    return await first(connection, store.LOCK_LATEST, {"order_id": order_id})


async def give_back(connection: Connection, order_id: UUID, now: datetime, reason: str) -> Row | None:
    """Undo an order's payment, whatever has become of it: what is authorized is voided, what is captured refunded."""
    payment = await latest(connection, order_id)
    if payment and not payment["amount"]:  # no gateway was asked for anything
        back: PaymentStatus = "refunded" if payment["status"] == "captured" else "voided"
        await change(connection, payment["id"], back, now, reason=reason)
    elif payment and payment["status"] in ("authorized", "captured"):
        await connection.execute(store.DROP_UNSTARTED_CAPTURE, {"payment_id": payment["id"]})
        await ask(connection, payment["id"], "reverse", payment["amount"], now, reason=reason)
    return payment
