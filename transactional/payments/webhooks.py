"""What gateways tell by themselves: in any order, twice or late, it has its effect once.

A webhook is a hint, and the gateway's books decide: news of a payment makes its checkout look it up at once; news of a
success that nobody waits for any more has the charge looked up, and voided. Only a charge-back is taken at its word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError

from lakefront.clock import real_now
from lakefront.secrets import secrets
from lakefront.webhook_signature import is_valid
from transactional.orders.checkout import store as checkout_store
from transactional.payments import changes, store
from transactional.payments.schemas import Webhook
from transactional.platform.core import Core
from transactional.platform.errors import Problem, field_errors, not_found
from transactional.platform.query import first

Kind = Literal["succeeded", "ended", "charge_back"]
Model = TypeVar("Model", bound=BaseModel)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """What a gateway tells of a payment."""

    gateway: str
    kind: Kind
    payment_id: UUID
    occurred_at: datetime | None = None


def from_sandbox(body: bytes, signature: str | None) -> News:
    """What a sandbox tells. Raises Problem 401 for a bad signature, 422 for a bad body."""
    if not is_valid(body, signature, secrets().webhook_key):
        raise _not_genuine()
    webhook = _parsed(Webhook, body)
    kind: Kind = "charge_back" if webhook.type == "charge_back" else "succeeded"
    return News(webhook.gateway, kind, webhook.merchant_reference, webhook.occurred_at)


async def from_stripe(core: Core, body: bytes, signature: str | None) -> News | None:
    """What Stripe tells; None for what is no concern of ours. Raises Problem 401, 422."""
    secret = core.settings.stripe_webhook_secret.get_secret_value()
    if not secret or not signature:
        raise _not_genuine()
    from transactional.payments.gateways.stripe import webhooks as stripe

    if not stripe.is_genuine(body, signature, secret):
        raise _not_genuine()
    event = _parsed(stripe.Event, body)
    subject, occurred_at = event.data.object, datetime.fromtimestamp(event.created, UTC)
    if event.type == stripe.CHARGED_BACK and subject.payment_intent:
        payment_id = await _by_reference(core, "stripe", subject.payment_intent)
        return News("stripe", "charge_back", payment_id, occurred_at) if payment_id else None
    if event.type not in stripe.SUCCEEDED | stripe.ENDED:
        return None
    try:
        payment_id = UUID(subject.metadata["payment_id"])
    except (KeyError, ValueError):  # the account may have other payments than ours
        return None
    return News("stripe", "succeeded" if event.type in stripe.SUCCEEDED else "ended", payment_id, occurred_at)


async def receive(core: Core, news: News) -> dict[str, Any]:
    """Act on it. Raises Problem 404 where there is no such payment."""
    if news.kind == "charge_back":
        return await _charge_back(core, news)
    now = core.clock.now()
    async with core.db.connection() as connection:
        payment = await first(connection, store.NEWS_OF, {"payment_id": news.payment_id})
        if payment is None:
            raise not_found("payment", news.payment_id)
        waits = payment["in_checkout"] and payment["is_latest"]
        if waits and payment["asked_gateway"] == news.gateway:
            await connection.execute(checkout_store.HASTEN, {"order_id": payment["order_id"], "real_now": real_now()})
        elif news.kind == "succeeded" and _is_stray(payment, news.gateway, waits):
            log.warning("payment_succeeded_late", payment=str(news.payment_id), gateway=news.gateway)
            await changes.look_for_stray(connection, news.payment_id, news.gateway, now)
    return {"received": True, "payment_status": payment["status"]}


def _is_stray(payment: dict[str, Any], gateway: str, waits: bool) -> bool:
    """Nobody waits for a charge by this gateway (any more)."""
    if payment["status"] in ("failed", "voided"):
        return True
    return bool(gateway != (payment["asked_gateway"] if waits else payment["gateway"]))


async def _charge_back(core: Core, news: News) -> dict[str, Any]:
    """The card's holder took the money back; business time is the gateway's."""
    now = core.clock.now()
    occurred_at = min(news.occurred_at or now, now)
    async with core.db.transaction() as connection:
        payment = await first(connection, store.LOCK, {"payment_id": news.payment_id})
        if payment is None:
            raise not_found("payment", news.payment_id)
        if payment["status"] not in ("charged_back", *changes.MOVES["charged_back"]):
            raise Problem(409, "nothing_charged", "This payment was not charged", f"It is {payment['status']}.")
        if payment["status"] != "charged_back":
            await connection.execute(store.DROP_UNSTARTED_CAPTURE, {"payment_id": payment["id"]})
            posting = {"payment_id": payment["id"], "now": occurred_at}
            await connection.execute(store.POST_CHARGE_BACK, posting)
            await changes.change(connection, payment["id"], "charged_back", occurred_at, reason="charge_back")
    return {"received": True, "payment_status": "charged_back"}


async def _by_reference(core: Core, gateway: str, reference: str) -> UUID | None:
    async with core.db.connection() as connection:
        found = await first(connection, store.BY_REFERENCE, {"gateway": gateway, "reference": reference})
    return found["id"] if found else None


def _parsed(model: type[Model], body: bytes) -> Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        named = field_errors(error.errors())
        raise Problem(422, "invalid_request", "The webhook does not fit its schema", errors=named) from error


def _not_genuine() -> Problem:
    return Problem(401, "invalid_signature", "The webhook's signature is not valid, or too old")
