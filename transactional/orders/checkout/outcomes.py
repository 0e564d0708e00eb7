"""How a checkout ends, and how it is written that it goes on: each of these is one commit.

settle     authorized: stock allocated, order confirmed or held for review, capture asked for
fail       the compensation of every step: stock, coupon and stored value released, order failed, what was authorized
           given back
advance    one step further, with what has become known since
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from lakefront.clock import real_now
from lakefront.contracts.commerce import OrderStatus
from lakefront.ids import new_id
from transactional.inventory import service as inventory
from transactional.inventory.errors import OutOfStock
from transactional.orders.checkout import store
from transactional.orders.checkout.saga import LEASE, Answer, Saga, Stale, amount_due, lease_end, order_answer
from transactional.orders.errors import OrderDeclined
from transactional.orders.events import status_changed
from transactional.orders.moves import move
from transactional.payments import attempts, changes
from transactional.payments.events import payment_changed
from transactional.payments.gateways.interface import Charge
from transactional.platform.core import Core
from transactional.platform.errors import Problem
from transactional.platform.outbox import Fact, outbox_columns, outbox_rows, tell
from transactional.platform.query import document, jsonb, rows, value
from transactional.promotions import service as promotions
from transactional.stored_value import service as stored_value

LATE_SUCCESS = timedelta(hours=1)
"""When a gateway that never knew the key is asked once more, whether it has charged it after all."""

_outcomes = Counter("lakefront_checkouts", "Checkouts by outcome.", ["outcome"])


async def decline(core: Core, saga: Saga, charge: Charge | None) -> Answer:
    """The fraud verdict of a checkout that was taken over is no: what its former owner has authorized is given back."""
    given = charge is not None and charge.status in ("authorized", "captured")
    return await fail(
        core, saga, OrderDeclined(saga.order_id), "fraud_declined", outcome="declined",
        payment="authorized" if given else "voided", charge=charge,
        may_be_charged_later=charge is None and Decimal(amount_due(saga.context)) > 0,
    )  # fmt: skip


async def settle(core: Core, saga: Saga, charge: Charge | None) -> Answer:
    """The payment is authorized, or nothing is due (no charge): allocate, confirm (or hold for review), ask for the
    capture and capture what stored value pays."""
    context = saga.context
    now = core.clock.now()
    in_review = context["action"] == "review"
    status: OrderStatus = "review" if in_review else "confirmed"
    version = context["order_version"] + 1
    tracking = tracking_number(saga.order_id)
    payment: changes.PaymentStatus = "authorized" if charge is not None or in_review else "captured"
    answer = order_answer(saga, status, payment, eta=context.get("estimated_delivery"), tracking=tracking)
    reason = "fraud_review" if in_review else None
    confirmed = status_changed(saga.order_id, saga.user, "pending", status, version=version, now=now, reason=reason)
    paid = payment_changed(_payment(saga, payment), now)
    told = outbox_rows([*saga.untold, confirmed, paid], core.settings.bus_partitions)
    *_, told_confirmed, _ = told
    settlement: dict[str, Any] = {
        "order_id": saga.order_id,
        "checkout_id": saga.id,
        "step": saga.step,
        "epoch": saga.epoch,
        "outcome": status,
        "answer": answer.stored(),
        "context": saga.unsaved,
        "lines": len(context["items"]),
        "order_version": version,
        "tracking_number": tracking,
        "fact": confirmed.data.event_type,
        "fact_data": told_confirmed.data,
        "changes": {"order": {"status": status, "tracking_number": tracking}},
        "payment_id": context["payment_id"],
        "payment_status": payment,
        "gateway": context["gateway"],
        "gateway_reference": charge.reference if charge else None,
        "capture_id": new_id() if charge and not in_review and core.settings.capture_policy == "at_once" else None,
        "due": amount_due(context),
        "real_now": real_now(),
        "now": now,
    }
    events = [{"partition": row.partition, "envelope": row.envelope} for row in told]
    parameters = {"settlement": document(settlement), "events": document(events)}
    if await _settled(core, saga, parameters, now, spend=not in_review and context.get("stored_value", False)):
        _outcomes.labels(status).inc()
        return answer
    # Either someone else owns the checkout (then this raises Stale), or the reservation is gone although the money is
    # there.
    problem = OutOfStock([])
    left: changes.PaymentStatus = "authorized" if charge is not None else "voided"
    return await fail(core, saga, problem, "out_of_stock", outcome="failed", payment=left, charge=charge)


async def _settled(core: Core, saga: Saga, parameters: dict[str, Any], now: datetime, *, spend: bool) -> bool:
    """Settle in one statement or, where stored value is spent with it, in one transaction."""
    if not spend:
        async with core.db.connection() as connection:
            return bool(await value(connection, store.SETTLE, parameters))
    async with core.db.transaction() as connection:
        done = bool(await value(connection, store.SETTLE, parameters))
        if done:
            await stored_value.capture(connection, saga.order_id, now)
    return done


async def fail(
    core: Core,
    saga: Saga,
    problem: Problem,
    reason: str,
    *,
    outcome: str,
    payment: changes.PaymentStatus,
    facts: Sequence[Fact] = (),
    charge: Charge | None = None,
    failure: str | None = None,
    attempt: attempts.Attempt | None = None,
    may_be_charged_later: bool = False,
) -> Answer:
    """Compensate in one transaction: stock released, order failed, payment ended (what is authorized is given back)."""
    now = core.clock.now()
    answer = Answer.of(problem)
    payment_id = UUID(saga.context["payment_id"])
    async with core.db.transaction() as connection:
        held = await rows(connection, store.LOCK_RESERVATIONS, {"order_id": saga.order_id})
        finish = {"checkout_id": saga.id, "step": saga.step, "epoch": saga.epoch}
        finish |= {"outcome": outcome, "answer": jsonb(answer.stored()), "context": jsonb(saga.unsaved)}
        if not await value(connection, store.FINISH, finish):
            raise Stale(f"checkout {saga.id} is no longer at {saga.step} of epoch {saga.epoch}")
        version = saga.context["order_version"] + 1
        await move(connection, saga.order_id, saga.user, "pending", "failed", version=version, now=now, reason=reason)
        await changes.change(
            connection, payment_id, payment, now, failure_reason=failure or reason,
            gateway=saga.context["gateway"] or None, gateway_reference=(charge and charge.reference) or None,
        )  # fmt: skip
        await attempts.write(connection, attempt)
        if may_be_charged_later:
            await changes.look_for_stray(connection, payment_id, saga.context["gateway"], now, LATE_SUCCESS)
        if payment == "authorized":
            await changes.ask(connection, payment_id, "reverse", Decimal(amount_due(saga.context)), now, reason=reason)
        await inventory.release(connection, [row["id"] for row in held], now)
        if saga.context.get("coupon"):
            await promotions.release(connection, saga.order_id, now)
        if saga.context.get("stored_value"):
            await stored_value.give_back(connection, saga.order_id, now)
        await tell(connection, [*saga.untold, *facts])
    _outcomes.labels(outcome).inc()
    return answer


async def advance(
    core: Core,
    saga: Saga,
    step: str,
    changed: dict[str, Any],
    facts: Sequence[Fact],
    *,
    lease: timedelta = LEASE,
    attempt: attempts.Attempt | None = None,
) -> Saga:
    """One step further, with what it tells the world. Raises Stale when another process owns the checkout."""
    partitions, envelopes = outbox_columns([*saga.untold, *facts], core.settings.bus_partitions)
    parameters = {
        "next": step,
        "context": jsonb({**saga.unsaved, **changed}),
        "lease_until": lease_end(lease),
        "checkout_id": saga.id,
        "step": saga.step,
        "epoch": saga.epoch,
        "partitions": partitions,
        "envelopes": envelopes,
    }
    async with core.db.transaction() if attempt else core.db.connection() as connection:
        if not await value(connection, store.ADVANCE, parameters):
            raise Stale(f"checkout {saga.id} is no longer at {saga.step} of epoch {saga.epoch}")
        await attempts.write(connection, attempt)
    return saga.at(step, **changed)


def tracking_number(order_id: UUID) -> str:
    """The parcel's number: made from the order's id, so that it is known without asking."""
    return f"LF{order_id.hex[-12:].upper()}"


def _payment(saga: Saga, status: changes.PaymentStatus) -> dict[str, Any]:
    """The payment's first event: what the row will be."""
    context = saga.context
    return {
        "id": UUID(context["payment_id"]),
        "order_id": saga.order_id,
        "user": saga.user,
        "status": status,
        "amount": Decimal(amount_due(context)),
        "currency": context["currency"],
        "gateway": context["gateway"],
        "version": 1,
        "device": context["device"],
        "card": context["card"],
        "address": context["address"],
    }
