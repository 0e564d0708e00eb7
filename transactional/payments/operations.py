"""Carrying out what was asked of the gateway: captures, reversals and refunds, by any number of workers at once.

An operation's id is its idempotency key at the gateway, so that one which lost its worker, or whose answer was lost,
is simply sent again. What is written afterwards names the epoch that the worker took it with.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.payments import changes, store
from transactional.payments.events import payment_changed
from transactional.payments.gateways.interface import GatewayUnavailable, Movement, OutcomeUnknown
from transactional.payments.gateways.protection import CALLS_AT_ONCE, ProtectedGateway
from transactional.payments.gateways.registry import gateway_of
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.outbox import outbox_columns
from transactional.platform.query import Row, first, rows

LEASE = timedelta(seconds=30)
LONGEST_PAUSE_SECONDS = 60
log = structlog.get_logger(__name__)


BATCH = 2 * CALLS_AT_ONCE
"""What one round takes at the most: its statements cost the same for one operation as for many, but those that the
gateway's bulkhead holds back do not wait for long."""


async def carry_out_due(core: Core, limit: int = BATCH) -> int:
    """Take what is due and do it; returns how many were taken."""
    now = real_now()
    async with core.db.connection() as connection:
        taken = await rows(connection, store.TAKE_DUE, {"real_now": now, "lease_until": now + LEASE, "limit": limit})
    answers = await asyncio.gather(*(_send(core, operation) for operation in taken))
    captured: list[Row] = []
    for operation, answer in zip(taken, answers, strict=True):
        if operation["kind"] == "capture" and answer is not None and answer.accepted:
            captured.append(operation)
        elif answer is not None:
            await _finish(core, operation, answer)
    if captured:
        await _finish_captures(core, captured)
    return len(taken)


async def _send(core: Core, operation: Row) -> Movement | None:
    """The gateway's answer, or what is clear without asking; None when there is none yet (the operation is
    postponed)."""
    key, reference, status = str(operation["id"]), operation["gateway_reference"], operation["payment_status"]
    try:
        gateway = gateway_of(core, operation["gateway"])
        match operation["kind"], status:
            case "void_stray", _:
                return await _void_stray(gateway, operation)
            case "capture", "authorized":
                return await gateway.capture(key, reference, operation["amount"])
            case "reverse", "authorized":
                return await gateway.void(key, reference)
            case "refund", "captured" | "refunded":
                return await gateway.refund(key, reference, operation["amount"])
            case _:
                return Movement(False, f"payment_is_{status}")
    except (GatewayUnavailable, OutcomeUnknown) as error:
        pause = min(2 ** operation["attempts"], LONGEST_PAUSE_SECONDS)
        log.warning(
            "payment_operation_postponed", operation=key, kind=operation["kind"], error=str(error), seconds=pause
        )
        parameters = {
            "id": operation["id"],
            "epoch": operation["epoch"],
            "due_at": real_now() + timedelta(seconds=pause),
        }
        async with core.db.connection() as connection:
            await connection.execute(store.POSTPONE, parameters)
        return None


async def _void_stray(gateway: ProtectedGateway, operation: Row) -> Movement:
    """Void what a gateway authorized for a payment that failed, or was paid elsewhere, in the meantime. Only the
    gateway's own books count; there may be nothing to void."""
    charge = await gateway.find(str(operation["payment_id"]))
    if charge is None or charge.status in ("declined", "refused", "voided"):
        return Movement(True)
    if charge.status == "processing":
        raise OutcomeUnknown(f"{gateway.name} has not decided yet")
    own = (operation["payment_gateway"], operation["gateway_reference"]) == (gateway.name, charge.reference)
    if own and operation["payment_status"] not in ("failed", "voided"):
        return Movement(False, f"payment_is_{operation['payment_status']}")
    return await gateway.void(str(operation["id"]), charge.reference)


async def _finish_captures(core: Core, operations: list[Row]) -> None:
    """Write a batch of captures and their events in one transaction."""
    now = core.clock.now()
    parameters = {"ids": [row["id"] for row in operations], "epochs": [row["epoch"] for row in operations]}
    async with core.db.transaction() as connection:
        locked = await rows(connection, store.CAPTURED_ROWS, parameters)
        facts = [payment_changed({**row, "status": "captured", "version": row["version"] + 1}, now) for row in locked]
        partitions, envelopes = outbox_columns(facts, core.settings.bus_partitions)
        written = {
            "operation_ids": [row["operation_id"] for row in locked],
            "payment_ids": [row["id"] for row in locked],
            "amounts": [row["captured_now"] for row in locked],
            "partitions": partitions,
            "envelopes": envelopes,
            "now": now,
        }
        await connection.execute(store.CAPTURED, written)


async def _finish(core: Core, operation: Row, answer: Movement) -> None:
    """Write one operation's end with what it means for the payment, in one transaction."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        payment = await first(connection, store.LOCK, {"payment_id": operation["payment_id"]})
        assert payment is not None, "an operation names its payment"
        status = "done" if answer.accepted else "refused"
        if operation["kind"] == "reverse" and payment["status"] == "captured":
            status = "done"  # it goes on as a refund
        elif not answer.accepted and str(answer.reason).startswith("payment_is_"):
            status = "dropped"
        reason = None if status == "done" else answer.reason
        closing = {"id": operation["id"], "epoch": operation["epoch"], "status": status, "reason": reason}
        if not await first(connection, store.CLOSE, closing):
            return  # another worker has taken it since
        match operation["kind"]:
            case "reverse":
                await _reversed(connection, operation, payment, answer, now)
            case "refund":
                await _refunded(connection, operation, payment, answer, now)
            case "capture":
                if status == "refused":
                    await changes.change(connection, payment["id"], "failed", now, failure_reason=answer.reason)
    log.info("payment_operation", operation=str(operation["id"]), kind=operation["kind"], status=status, reason=reason)


async def _reversed(connection: Connection, operation: Row, payment: Row, answer: Movement, now: datetime) -> None:
    """Voided; or, since the capture was quicker, refunded as far as it is not yet."""
    remaining = payment["captured"] - payment["refunded"]
    if payment["status"] == "captured" and remaining > 0:
        await refund(connection, payment["id"], remaining, now, operation["reason"])
    elif answer.accepted:
        await changes.change(connection, payment["id"], "voided", now, reason=operation["reason"])


async def _refunded(connection: Connection, operation: Row, payment: Row, answer: Movement, now: datetime) -> None:
    amount: Decimal = operation["amount"]
    moved = {"payment_id": payment["id"], "operation_id": operation["id"], "amount": amount, "now": now}
    if not answer.accepted:
        await connection.execute(store.TAKE_BACK_REFUNDED, moved)
        return
    await connection.execute(store.POST_REFUND_PAID, moved)
    whole = payment["refunded"] == payment["captured"]
    status: changes.PaymentStatus = "refunded" if whole else "captured"
    await changes.change(
        connection, payment["id"], status, now, reason=operation["reason"], amount=amount, told_as="refunded"
    )


async def refund(
    connection: Connection,
    payment_id: UUID,
    amount: Decimal,
    now: datetime,
    reason: str | None,
    operation_id: UUID | None = None,
) -> UUID | None:
    """Ask for a refund in the caller's transaction; None when all refunds together would exceed what was captured."""
    operation_id = operation_id or new_id()
    parameters = {
        "operation_id": operation_id,
        "payment_id": payment_id,
        "amount": amount,
        "reason": reason,
        "real_now": real_now(),
        "now": now,
    }
    return operation_id if await first(connection, store.GRANT_REFUND, parameters) else None
