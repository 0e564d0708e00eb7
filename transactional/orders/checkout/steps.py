"""The checkout's steps after the first commit, read from top to bottom like the business rule.

    assess     fraud is assessed; a verdict to decline is obeyed in one commit, another is written with what follows
    authorize  the payment gateway is asked (outside), under the payment's id as the idempotency key
    settle     authorized: stock allocated, order confirmed or held for review, capture asked for, in one commit
    fail       the compensation of every step: stock, coupon and stored value released, order failed, what was authorized
               given back

A commit stands directly before and directly after every call to the gateway: the first commit names gateway and key. Each is a
compare-and-set on (step, epoch): when it finds nothing, another process has taken over and this one stops (``Stale``).
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
from serving.decisions import FraudInput, FraudVerdict
from transactional.inventory import service as inventory
from transactional.inventory.errors import OutOfStock
from transactional.orders.checkout import store
from transactional.orders.checkout.saga import LEASE, Answer, Saga, Stale, amount_due, lease_end, order_answer
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
from transactional.promotions import service as promotions
from transactional.stored_value import service as stored_value

LOOK_UP_PAUSE = timedelta(seconds=1)
GATEWAY_DEADLINE = timedelta(seconds=10)
"""After this a request that the gateway does not know of was never received, and is sent again under the same key."""
LATE_SUCCESS = timedelta(hours=1)
"""When a gateway that never knew the key is asked once more, whether it has charged it after all."""

_outcomes = Counter("lakefront_checkouts", "Checkouts by outcome.", ["outcome"])


async def run(core: Core, saga: Saga) -> Answer:
    """Take a new checkout to its outcome, or to where its payment's outcome must be waited for."""
    verdict, assessed = await assess(core, saga)
    if verdict.action == "decline":
        problem = OrderDeclined(saga.order_id)
        return await fail(core, saga, problem, "fraud_declined", outcome="declined", payment="voided", facts=[assessed])
    way = await way_of(core, saga, verdict)
    if way["gateway"] != saga.context["gateway"]:
        return await authorize(
            core, await advance(core, saga, "authorizing", {"action": verdict.action, **way}, [assessed])
        )
    # The first commit names the gateway and the key, so that a successor knows where money may have been asked for. The
    # verdict is written with the outcome: a commit of its own would cost as much as the whole settling.
    return await authorize(core, saga.knowing((assessed,), action=verdict.action, **way))


async def resume(core: Core, saga: Saga) -> Answer:
    """Take over a checkout that lost its process: money may have been asked for already."""
    if saga.step != "assessing":
        return await look_up(core, saga)
    verdict, assessed = await assess(core, saga)
    asked = saga.context["gateway"]
    way = await way_of(core, saga, verdict)
    way |= {
        "gateway": asked,
        "backups": [name for name in (way["gateway"], *way["backups"]) if name not in ("", asked)],
    }
    following = await advance(core, saga, "authorizing", {"action": verdict.action, **way}, [assessed])
    return await look_up(core, following)


async def way_of(core: Core, saga: Saga, verdict: FraudVerdict) -> dict[str, Any]:
    """The gateway and its backups; the one of the first commit where there is nothing to ask a gateway for."""
    if not Decimal(amount_due(saga.context)):
        return {"gateway": saga.context["gateway"], "backups": []}
    return await choose(core, saga.context, verdict.composite)


async def assess(core: Core, saga: Saga) -> tuple[FraudVerdict, Fact]:
    """The fraud verdict, and the fact that tells of it."""
    context = saga.context
    now = core.clock.now()
    # Amounts are compared with those of other orders: ten yen and ten dollars are not the same.
    total, currency = context.get("listed") or (context["total"], context["currency"])
    verdict = await core.decisions.assess_fraud(
        FraudInput(
            order_id=str(saga.order_id),
            user=context["user"],
            device=context["device"],
            card=context["card"],
            address=context["address"],
            total=float(total),
            currency=currency,
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
    return verdict, Fact(data, sequence=1, occurred_at=now, source="transactional.decisions")


async def authorize(core: Core, saga: Saga, *, first_time: bool = True) -> Answer:
    """Ask the gateway for the money. Sent again, the key is the same: the gateway never charges it twice."""
    context = saga.context
    due = Decimal(amount_due(context))
    if not due:  # coupons and stored value pay for everything: there is nothing to ask a gateway for
        return await settle(core, saga, None)
    if not context["gateway"]:
        problem = PaymentDeclined(saga.order_id, UUID(context["payment_id"]), "method_not_accepted")
        return await fail(core, saga, problem, "method_not_accepted", outcome="failed", payment="failed")
    request = Authorization(
        key=context["payment_id"],
        merchant_reference=context["payment_id"],
        token=context["method"],
        amount=due,
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
    if not Decimal(amount_due(context)):
        return await (decline if context["action"] == "decline" else settle)(core, saga, None)
    if not context["gateway"]:  # the process ended before it could say that no gateway takes this payment
        return await authorize(core, saga)
    try:
        charge = await gateway_of(core, context["gateway"]).find(context["payment_id"])
    except (GatewayUnavailable, OutcomeUnknown):
        return await wait_for_outcome(core, saga)
    return await obey(core, saga, charge) if charge is not None else await not_known(core, saga)


async def not_known(core: Core, saga: Saga) -> Answer:
    """The gateway does not know the key: it may still be on its way, or is sent again after the gateway's deadline."""
    context = saga.context
    # At `authorizing` the lease that just ended was the deadline; at `looking_up` it is counted from the first doubt.
    since = context["unknown_since"]
    if since is not None and real_now() - datetime.fromisoformat(since) < GATEWAY_DEADLINE:
        return await wait_for_outcome(core, saga)
    if context["action"] == "decline":
        return await decline(core, saga, None)
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
    if saga.context["action"] == "decline":
        return await decline(core, saga, charge)
    if charge.status in ("authorized", "captured"):
        return await settle(core, saga, charge)
    if charge.status == "refused":
        return await fail_over(core, saga, "refused", charge)
    reason = charge.reason or charge.status
    problem = PaymentDeclined(saga.order_id, UUID(saga.context["payment_id"]), reason)
    return await fail(
        core, saga, problem, "payment_declined", outcome="failed", payment="failed", charge=charge, failure=reason
    )


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
    status = "review" if in_review else "confirmed"
    version = context["order_version"] + 1
    tracking = tracking_number(saga.order_id)
    payment: changes.PaymentStatus = "authorized" if charge is not None or in_review else "captured"
    answer = order_answer(saga, status, payment, eta=context.get("estimated_delivery"), tracking=tracking)
    reason = "fraud_review" if in_review else None
    moved = status_changed(saga.order_id, _user(saga), "pending", status, version=version, now=now, reason=reason)  # type: ignore[arg-type]
    partitions, envelopes = outbox_rows(
        [*saga.untold, moved, payment_changed(_payment(saga, payment), now)], core.settings.bus_partitions
    )
    parameters: dict[str, Any] = {
        "order_id": saga.order_id,
        "checkout_id": saga.id,
        "step": saga.step,
        "epoch": saga.epoch,
        "outcome": status,
        "answer": jsonb(answer.stored()),
        "context": jsonb(saga.unsaved),
        "lines": len(context["items"]),
        "status": status,
        "order_version": version,
        "tracking_number": tracking,
        "fact": moved.data.event_type,
        "fact_data": jsonb(moved.data.model_dump(mode="json")),
        "changes": jsonb({"order": {"status": status, "tracking_number": tracking}}),
        "payment_id": UUID(context["payment_id"]),
        "payment_status": payment,
        "gateway": context["gateway"],
        "gateway_reference": charge.reference if charge else None,
        "capture_id": new_id() if charge and not in_review and core.settings.capture_policy == "at_once" else None,
        "due": Decimal(amount_due(context)),
        "partitions": partitions,
        "envelopes": envelopes,
        "real_now": real_now(),
        "now": now,
    }
    if await _settled(core, saga, parameters, spend=not in_review and context.get("stored_value", False)):
        _outcomes.labels(status).inc()
        return answer
    # Either someone else owns the checkout (then this raises Stale), or the reservation is gone although the money is
    # there.
    problem = OutOfStock([])
    left: changes.PaymentStatus = "authorized" if charge is not None else "voided"
    return await fail(core, saga, problem, "out_of_stock", outcome="failed", payment=left, charge=charge)


async def _settled(core: Core, saga: Saga, parameters: dict[str, Any], *, spend: bool) -> bool:
    """Settle in one statement or, where stored value is spent with it, in one transaction."""
    if not spend:
        async with core.db.connection() as connection:
            done = await first(connection, store.SETTLE, parameters)
        return bool(done and done["moved"])
    async with core.db.transaction() as connection:
        done = await first(connection, store.SETTLE, parameters)
        if done and done["moved"]:
            await stored_value.capture(connection, saga.order_id, parameters["now"])
    return bool(done and done["moved"])


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
    partitions, envelopes = outbox_rows([*saga.untold, *facts], core.settings.bus_partitions)
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
        "amount": Decimal(amount_due(context)),
        "currency": context["currency"],
        "gateway": context["gateway"],
        "version": 1,
        "device": context["device"],
        "card": context["card"],
        "address": context["address"],
    }
