"""Payments: their status, refunds, and what gateways tell by themselves."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from pydantic import ValidationError

from lakefront.clock import real_now
from lakefront.ids import new_id
from lakefront.money import money_text, rounded
from lakefront.secrets import secrets
from transactional.orders.access import check_owner
from transactional.orders.checkout import store as checkout_store
from transactional.payments import changes, operations, store
from transactional.payments.schemas import RefundRequest, Webhook
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.errors import Problem, field_errors, not_found
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


async def refund(core: Core, request: RefundRequest, key: str | None) -> dict[str, Any]:
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
        remaining: Decimal = payment["captured"] - payment["refunded"]
        amount = rounded(request.amount, currency) if request.amount is not None else remaining
        # A refund of everything gives back what gift cards and store credit paid, too.
        everything = request.amount is None and payment["status"] in ("captured", "refunded")
        returned = everything and await stored_value.give_back(connection, payment["order_id"], now)
        if everything and not amount and (returned or not payment["amount"]):
            if payment["status"] == "captured":
                await changes.change(connection, payment["id"], "refunded", now, reason=request.reason)
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
    return _refund_answer(asked, request.payment_id, amount, currency, "due")


def _refund_answer(operation_id: UUID, payment_id: UUID, amount: Decimal, currency: str, status: str) -> dict[str, Any]:
    return {
        "refund_id": operation_id,
        "payment_id": payment_id,
        "amount": money_text(amount, currency),
        "currency": currency,
        "status": status,
    }


def verified_webhook(body: bytes, signature: str | None) -> Webhook:
    """The webhook, if the sandbox gateway really sent it. Raises Problem 401 for a bad signature, 422 for a bad
    body."""
    expected = hmac.new(secrets().webhook_key.encode(), body, hashlib.sha256).hexdigest()
    if signature is None or not hmac.compare_digest(signature.encode(), expected.encode()):
        raise Problem(401, "invalid_signature", "The webhook's signature is not valid")
    try:
        return Webhook.model_validate_json(body)
    except ValidationError as error:
        named = field_errors(error.errors())
        raise Problem(422, "invalid_request", "The webhook does not fit its schema", errors=named) from error


async def receive_webhook(core: Core, webhook: Webhook) -> dict[str, Any]:
    """Act on a webhook. Twice, late or in another order, it has the same effect once."""
    if webhook.type == "charge_back":
        return await _charge_back(core, webhook)
    return await _hasten(core, webhook)


async def _charge_back(core: Core, webhook: Webhook) -> dict[str, Any]:
    """The card's holder took the money back; business time is the gateway's."""
    now = core.clock.now()
    occurred_at = min(webhook.occurred_at or now, now)
    async with core.db.transaction() as connection:
        payment = await first(connection, store.LOCK, {"payment_id": webhook.merchant_reference})
        if payment is None:
            raise not_found("payment", webhook.merchant_reference)
        if payment["status"] not in ("charged_back", *changes.MOVES["charged_back"]):
            raise Problem(409, "nothing_charged", "This payment was not charged", f"It is {payment['status']}.")
        if payment["status"] != "charged_back":
            await connection.execute(store.DROP_UNSTARTED_CAPTURE, {"payment_id": payment["id"]})
            await changes.change(connection, payment["id"], "charged_back", occurred_at, reason="charge_back")
    return {"received": True, "payment_status": "charged_back"}


async def _hasten(core: Core, webhook: Webhook) -> dict[str, Any]:
    """News of a payment is only a hint: its checkout, if it waits for an outcome, asks the gateway at once."""
    async with core.db.connection() as connection:
        payment = await first(connection, store.PAYMENT, {"payment_id": webhook.merchant_reference})
        if payment is None:
            raise not_found("payment", webhook.merchant_reference)
        await connection.execute(checkout_store.HASTEN, {"order_id": payment["order_id"], "real_now": real_now()})
    return {"received": True, "payment_status": payment["status"]}
