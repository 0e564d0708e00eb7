"""The checkout's steps after the first commit, read from top to bottom like the business rule.

    assess     fraud is assessed; a verdict to decline is obeyed in one commit, another is written with what follows
    authorize  the payment gateway is asked (outside), under the payment's id as the idempotency key
    look up    an outcome that is not known is asked for, by the key
    obey       what the gateway said leads to one of the ends in ``outcomes``

A commit stands directly before and directly after every call to the gateway: the first commit names gateway and key. Each is a
compare-and-set on (step, epoch): when it finds nothing, another process has taken over and this one stops (``Stale``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from lakefront.clock import iso, real_now
from lakefront.contracts.decisions import FraudAssessed
from serving.decisions import FraudInput, FraudVerdict
from transactional.orders.checkout.outcomes import advance, decline, fail, settle
from transactional.orders.checkout.saga import Answer, Saga, amount_due, order_answer
from transactional.orders.errors import OrderDeclined, PaymentDeclined, PaymentUnavailable
from transactional.payments import attempts
from transactional.payments.attempts import AttemptOutcome
from transactional.payments.gateways.interface import Authorization, Charge, GatewayUnavailable, OutcomeUnknown
from transactional.payments.gateways.protection import TRIES
from transactional.payments.gateways.registry import gateway_of
from transactional.payments.methods import method_of
from transactional.payments.router import choose
from transactional.platform.core import Core
from transactional.platform.outbox import Fact

LOOK_UP_PAUSE = timedelta(seconds=1)
GATEWAY_DEADLINE = timedelta(seconds=10)
"""After this a request that the gateway does not know of was never received, and is sent again under the same key."""


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
    if not saga.context["gateway"]:  # there was nobody to ask
        return await run(core, saga)
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
        user=saga.user,
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
