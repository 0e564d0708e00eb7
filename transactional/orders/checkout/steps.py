"""The checkout's steps after the first commit, read from top to bottom like the business rule.

    assess     fraud is assessed (outside), then the verdict is obeyed in one commit
    authorize  the payment gateway is asked (outside), under the payment's id as the idempotency key
    settle     authorized: stock allocated, order confirmed or held for review, capture asked for, in one commit
    fail       the compensation of every step: stock released, order failed, what was authorized given back

A commit stands directly before and directly after every call to the outside world. Each is a compare-and-set on
(step, epoch): when it finds nothing, another process has taken over and this one stops (``Stale``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from lakefront.clock import iso, real_now
from lakefront.contracts.decisions import FraudAssessed
from lakefront.ids import new_id
from serving.decisions import FraudInput
from transactional.inventory import service as inventory
from transactional.inventory.errors import OutOfStock
from transactional.orders.checkout import store
from transactional.orders.checkout.saga import LEASE, Answer, Saga, Stale, lease_end, order_answer
from transactional.orders.errors import OrderDeclined, PaymentDeclined, PaymentUnavailable
from transactional.orders.events import status_changed
from transactional.orders.moves import move
from transactional.payments import attempts, changes
from transactional.payments.attempts import AttemptOutcome
from transactional.payments.events import payment_changed
from transactional.payments.gateways.interface import Authorization, Charge, GatewayUnavailable, OutcomeUnknown
from transactional.payments.gateways.protection import TRIES
from transactional.payments.gateways.registry import gateway_of
from transactional.payments.methods import method_of
from transactional.payments.router import choose
from transactional.platform.core import Core
from transactional.platform.errors import Problem
from transactional.platform.outbox import Fact, outbox_rows, tell
from transactional.platform.query import first, jsonb, rows

DELIVERY = timedelta(days=3)
LOOK_UP_PAUSE = timedelta(seconds=1)
GATEWAY_DEADLINE = timedelta(seconds=10)
"""After this a request that the gateway does not know of was never received, and is sent again under the same key."""
LATE_SUCCESS = timedelta(hours=1)
"""When a gateway that never knew the key is asked once more, whether it has charged it after all."""

_outcomes = Counter("lakefront_checkouts", "Checkouts by outcome.", ["outcome"])


async def run(core: Core, saga: Saga) -> Answer:
    """Take a checkout from where it stands to its outcome, or to where its payment's outcome must be waited for."""
    if saga.step == "assessing":
        following = await assess(core, saga)
        if isinstance(following, Answer):
            return following
        return await authorize(core, following)
    return await look_up(core, saga)


async def assess(core: Core, saga: Saga) -> Saga | Answer:
    """Ask for the fraud verdict and obey it."""
    context = saga.context
    now = core.clock.now()
    verdict = await core.decisions.assess_fraud(
        FraudInput(
            order_id=str(saga.order_id),
            user=context["user"],
            device=context["device"],
            card=context["card"],
            address=context["address"],
            total=float(context["total"]),
            currency=context["currency"],
            units=context["units"],
            lines=len(context["items"]),
            account_age_days=context["account_age_days"],
            email_domain=context["email_domain"],
            shipping_country=context["shipping_country"],
            network_country=context["network_country"],
            payment_kind=context["payment_kind"],
            now=now,
        )
    )
    data = FraudAssessed(
        decision_id=verdict.decision_id,
        model_version=verdict.model_version,
        features=dict(verdict.features),
        fallback=verdict.fallback,
        latency_ms=verdict.latency_ms,
        order_id=saga.order_id,
        user=_user(saga),
        action=verdict.action,
        composite=verdict.composite,
        rules=verdict.rules,
        model=verdict.model,
        external=verdict.external,
        reasons=verdict.reasons,
    )
    assessed = Fact(data, sequence=1, occurred_at=now, source="transactional.decisions")
    if verdict.action == "decline":
        problem = OrderDeclined(saga.order_id)
        return await fail(core, saga, problem, "fraud_declined", outcome="declined", payment="voided", facts=[assessed])
    way = await choose(core, context, verdict.composite)
    return await advance(core, saga, "authorizing", {"action": verdict.action, **way}, [assessed])


async def authorize(core: Core, saga: Saga, *, first_time: bool = True) -> Answer:
    """Ask the gateway for the money. Sent again, the key is the same: the gateway never charges it twice."""
    context = saga.context
    if not context["gateway"]:
        problem = PaymentDeclined(saga.order_id, UUID(context["payment_id"]), "method_not_accepted")
        return await fail(core, saga, problem, "method_not_accepted", outcome="failed", payment="failed")
    request = Authorization(
        key=context["payment_id"],
        merchant_reference=context["payment_id"],
        token=context["method"],
        amount=Decimal(context["total"]),
        currency=context["currency"],
        method=context.get("method_type") or method_of(context["method"]),
    )
    try:
        gateway = gateway_of(core, context["gateway"])
        charge = await gateway.authorize(request, _tries(saga) if first_time else 1)
    except OutcomeUnknown:
        return await wait_for_outcome(core, saga)
    except GatewayUnavailable:
        if not first_time:  # an earlier request of this key may have been carried out
            return await wait_for_outcome(core, saga)
        return await fail_over(core, saga, "not_sent")
    return await obey(core, saga, charge)


async def fail_over(core: Core, saga: Saga, outcome: AttemptOutcome, charge: Charge | None = None) -> Answer:
    """The gateway definitely has not charged and will not under this key: ask the next one, or give up."""
    context = saga.context
    attempt = attempts.failed(context, outcome)
    backups = context.get("backups", [])
    if not backups:
        problem = PaymentUnavailable(saga.order_id, UUID(context["payment_id"]))
        return await fail(
            core,
            saga,
            problem,
            "gateway_unavailable",
            outcome="failed",
            payment="failed",
            charge=charge,
            attempt=attempt,
        )
    following = {"gateway": backups[0], "backups": backups[1:], "failed_over": context.get("failed_over", 0) + 1}
    saga = await advance(core, saga, "authorizing", following | {"unknown_since": None}, [], attempt=attempt)
    return await authorize(core, saga)


def _tries(saga: Saga) -> int:
    """Three in all: the first gateway has what the backups, with one each, do not need."""
    return 1 if saga.context.get("failed_over") else max(1, TRIES - len(saga.context.get("backups", [])))


async def look_up(core: Core, saga: Saga) -> Answer:
    """Find out what became of an authorization, by its key. Not found stays unknown until the gateway's own
    deadline."""
    context = saga.context
    if not context["gateway"]:  # the process ended before it could say that no gateway takes this payment
        return await authorize(core, saga)
    try:
        charge = await gateway_of(core, context["gateway"]).find(context["payment_id"])
    except (GatewayUnavailable, OutcomeUnknown):
        return await wait_for_outcome(core, saga)
    if charge is not None:
        return await obey(core, saga, charge)
    # At `authorizing` the lease that just ended was the deadline; at `looking_up` it is counted from the first doubt.
    since = context["unknown_since"]
    if since is not None and real_now() - datetime.fromisoformat(since) < GATEWAY_DEADLINE:
        return await wait_for_outcome(core, saga)
    sent_again = context.get("sent_again", 0)
    if sent_again + 1 >= TRIES:
        # It has not known the key at three deadlines. Should it charge it after all, the charge is voided.
        problem = PaymentUnavailable(saga.order_id, UUID(context["payment_id"]))
        return await fail(
            core, saga, problem, "gateway_unavailable", outcome="failed", payment="failed", may_be_charged_later=True
        )
    again = await advance(core, saga, "authorizing", {"unknown_since": None, "sent_again": sent_again + 1}, [])
    return await authorize(core, again, first_time=False)


async def wait_for_outcome(core: Core, saga: Saga, *, answered: bool = False) -> Answer:
    """Write down that the outcome is unknown. The stock stays, and the recovery looks the payment up shortly."""
    since = saga.context["unknown_since"]
    attempt = None if since or answered else attempts.failed(saga.context, "unknown")
    changed = {"unknown_since": since or iso(real_now())}
    waiting = await advance(core, saga, "looking_up", changed, [], lease=LOOK_UP_PAUSE, attempt=attempt)
    return order_answer(waiting, "pending", "pending")


async def obey(core: Core, saga: Saga, charge: Charge) -> Answer:
    """Act on what the gateway said."""
    if charge.status == "processing":
        return await wait_for_outcome(core, saga, answered=True)
    if charge.status in ("authorized", "captured"):
        return await settle(core, saga, charge)
    if charge.status == "refused":
        return await fail_over(core, saga, "refused", charge)
    reason = charge.reason or charge.status
    problem = PaymentDeclined(saga.order_id, UUID(saga.context["payment_id"]), reason)
    return await fail(
        core, saga, problem, "payment_declined", outcome="failed", payment="failed", charge=charge, failure=reason
    )


async def settle(core: Core, saga: Saga, charge: Charge) -> Answer:
    """The payment is authorized: allocate, confirm (or hold for review) and ask for the capture."""
    context = saga.context
    now = core.clock.now()
    in_review = context["action"] == "review"
    status = "review" if in_review else "confirmed"
    version = context["order_version"] + 1
    estimated_delivery = now + DELIVERY
    tracking = tracking_number(saga.order_id)
    answer = order_answer(saga, status, "authorized", eta=iso(estimated_delivery), tracking=tracking)
    reason = "fraud_review" if in_review else None
    moved = status_changed(saga.order_id, _user(saga), "pending", status, version=version, now=now, reason=reason)  # type: ignore[arg-type]
    partitions, envelopes = outbox_rows(
        [moved, payment_changed(_payment(saga, "authorized"), now)], core.settings.bus_partitions
    )
    parameters: dict[str, Any] = {
        "order_id": saga.order_id,
        "checkout_id": saga.id,
        "step": saga.step,
        "epoch": saga.epoch,
        "outcome": status,
        "answer": jsonb(answer.stored()),
        "lines": len(context["items"]),
        "status": status,
        "order_version": version,
        "estimated_delivery": estimated_delivery,
        "tracking_number": tracking,
        "fact": moved.data.event_type,
        "fact_data": jsonb(moved.data.model_dump(mode="json")),
        "payment_id": UUID(context["payment_id"]),
        "gateway": context["gateway"],
        "gateway_reference": charge.reference,
        "capture_id": None if in_review else new_id(),
        "total": Decimal(context["total"]),
        "partitions": partitions,
        "envelopes": envelopes,
        "real_now": real_now(),
        "now": now,
    }
    async with core.db.connection() as connection:
        done = await first(connection, store.SETTLE, parameters)
    if done and done["moved"]:
        _outcomes.labels(status).inc()
        return answer
    # Either someone else owns the checkout (then this raises Stale), or the reservation is gone although the money is
    # there.
    problem = OutOfStock([])
    return await fail(core, saga, problem, "out_of_stock", outcome="failed", payment="authorized", charge=charge)


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
        finish |= {"outcome": outcome, "answer": jsonb(answer.stored())}
        if not await first(connection, store.FINISH, finish):
            raise Stale(f"checkout {saga.id} is no longer at {saga.step} of epoch {saga.epoch}")
        version = saga.context["order_version"] + 1
        await move(connection, saga.order_id, _user(saga), "pending", "failed", version=version, now=now, reason=reason)
        await changes.change(
            connection, payment_id, payment, now, failure_reason=failure or reason,
            gateway=saga.context["gateway"] or None, gateway_reference=(charge and charge.reference) or None,
        )  # fmt: skip
        await attempts.write(connection, attempt)
        if may_be_charged_later:
            await changes.look_for_stray(connection, payment_id, saga.context["gateway"], now, LATE_SUCCESS)
        if payment == "authorized":
            await changes.ask(connection, payment_id, "reverse", Decimal(saga.context["total"]), now, reason=reason)
        await inventory.release(connection, [row["id"] for row in held], now)
        await tell(connection, facts)
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
    partitions, envelopes = outbox_rows(facts, core.settings.bus_partitions)
    parameters = {
        "next": step,
        "context": jsonb(changed),
        "lease_until": lease_end(lease),
        "checkout_id": saga.id,
        "step": saga.step,
        "epoch": saga.epoch,
        "partitions": partitions,
        "envelopes": envelopes,
    }
    async with core.db.transaction() if attempt else core.db.connection() as connection:
        done = await first(connection, store.ADVANCE, parameters)
        if not done or not done["moved"]:
            raise Stale(f"checkout {saga.id} is no longer at {saga.step} of epoch {saga.epoch}")
        await attempts.write(connection, attempt)
    return saga.at(step, **changed)


def tracking_number(order_id: UUID) -> str:
    """The parcel's number: made from the order's id, so that it is known without asking."""
    return f"LF{order_id.hex[-12:].upper()}"


def _user(saga: Saga) -> UUID | None:
    user = saga.context["user"]
    return UUID(user) if user else None


def _payment(saga: Saga, status: changes.PaymentStatus) -> dict[str, Any]:
    """The payment's first event: what the row will be."""
    context = saga.context
    return {
        "id": UUID(context["payment_id"]),
        "order_id": saga.order_id,
        "user": _user(saga),
        "status": status,
        "amount": Decimal(context["total"]),
        "currency": context["currency"],
        "gateway": context["gateway"],
        "version": 1,
        "device": context["device"],
        "card": context["card"],
        "address": context["address"],
    }
