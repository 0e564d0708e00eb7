"""Payments: their status and refunds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from lakefront.ids import new_id
from lakefront.money import decimals, money_text
from transactional.orders.access import check_owner
from transactional.payments import changes, operations, store
from transactional.payments.schemas import RefundRequest
from transactional.platform.amounts import fits
from transactional.platform.audit import note
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import first
from transactional.stored_value import service as stored_value


async def status_of(core: Core, caller: Caller, payment_id: UUID) -> dict[str, Any]:
    """A payment of the caller's."""
    async with core.db.connection() as connection:
        payment = await first(connection, store.PAYMENT, {"payment_id": payment_id})
    if payment is None:
        raise not_found("payment", payment_id)
    try:
        check_owner(caller, payment, payment["order_id"])
    except Problem as hidden:
        raise not_found("payment", payment_id) from hidden
    currency = payment["currency"]
    return {
        "payment_id": payment_id,
        "order_id": payment["order_id"],
        "status": payment["status"],
        "amount": money_text(payment["amount"], currency),
        "captured": money_text(payment["captured"], currency),
        "refunded": money_text(payment["refunded"], currency),
        "currency": currency,
        "gateway": payment["gateway"],
        "failure_reason": payment["failure_reason"],
    }


async def refund(core: Core, caller: Caller, request: RefundRequest, key: str | None) -> dict[str, Any]:
    """Accept a refund. All refunds together never exceed what was captured; one key is one refund. Without an amount it
    is of everything, stored value included."""
    now = core.clock.now()
    operation_id = uuid5(request.payment_id, key) if key else None
    async with core.db.transaction() as connection:
        payment = await first(connection, store.LOCK, {"payment_id": request.payment_id})
        if payment is None:
            raise not_found("payment", request.payment_id)
        currency = payment["currency"]
        known = await first(connection, store.OPERATION, {"id": operation_id}) if operation_id else None
        if known:
            if request.amount is not None and known["amount"] != request.amount:
                raise Problem(422, "idempotency_key_reused", "This Idempotency-Key was used for another refund")
            return _refund_answer(known["id"], request.payment_id, known["amount"], currency, known["status"])
        if request.amount is not None and not fits(request.amount, currency):
            raise Problem(
                422,
                "invalid_request",
                "The request does not fit its schema",
                f"amount: {request.amount:f} has more decimals than {currency} has, which are {decimals(currency)}.",
            )
        remaining: Decimal = payment["captured"] - payment["refunded"]
        amount = request.amount if request.amount is not None else remaining
        # A refund of everything gives back what gift cards and store credit paid, too.
        everything = request.amount is None and payment["status"] in ("captured", "refunded")
        returned = everything and await stored_value.give_back(connection, payment["order_id"], now)
        if everything and not amount and (returned or not payment["amount"]):
            if payment["status"] == "captured":
                await changes.change(connection, payment["id"], "refunded", now, reason=request.reason)
                await note(connection, caller.actor, "payment_refunded", payment["id"])
            return _refund_answer(operation_id or new_id(), request.payment_id, amount, currency, "done")
        asked = None
        if amount > 0:
            asked = await operations.refund(connection, request.payment_id, amount, now, request.reason, operation_id)
        if asked is None:
            raise Problem(
                409,
                "refund_exceeds_capture",
                "A refund cannot exceed what was captured",
                f"The payment is {payment['status']}; {money_text(remaining, currency)} {currency} can be refunded.",
                refundable=money_text(remaining, currency),
            )
        told = money_text(amount, currency)
        await note(connection, caller.actor, "payment_refunded", payment["id"], amount=told, currency=currency)
    return _refund_answer(asked, request.payment_id, amount, currency, "due")


def _refund_answer(operation_id: UUID, payment_id: UUID, amount: Decimal, currency: str, status: str) -> dict[str, Any]:
    return {
        "refund_id": operation_id,
        "payment_id": payment_id,
        "amount": money_text(amount, currency),
        "currency": currency,
        "status": status,
    }
