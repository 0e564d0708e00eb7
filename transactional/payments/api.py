"""The payments API: parse, call, answer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response

from transactional.orders.api import IdempotencyKey, answered
from transactional.orders.checkout import retry
from transactional.orders.schemas import OrderAnswer
from transactional.payments import service, webhooks
from transactional.payments.schemas import (
    PaymentAnswer,
    ProcessRequest,
    RefundAnswer,
    RefundRequest,
    Webhook,
    WebhookAnswer,
)
from transactional.platform.authentication import Caller, CallerDep, needs
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses
from transactional.platform.permissions import Permission

router = APIRouter(prefix="/payments", tags=["payments"])


@router.post(
    "/process",
    status_code=201,
    summary="Pay an order whose payment failed",
    description="Holds the stock again and takes the payment by the new method; a paid order is never charged again.",
    response_model=OrderAnswer,
    responses=responses(401, 402, 403, 404, 409, 422),
)
async def process(body: ProcessRequest, core: CoreDep, caller: CallerDep) -> Response:
    return answered(await retry.pay(core, caller, body.order_id, body.payment_method, body.payment_method_type))


@router.get("/{payment_id}/status", summary="Status of a payment", responses=responses(401, 404))
async def status(payment_id: UUID, core: CoreDep, caller: CallerDep) -> PaymentAnswer:
    return PaymentAnswer.model_validate(await service.status_of(core, caller, payment_id))


@router.post("/refund", status_code=202, summary="Refund a captured payment", responses=responses(401, 403, 404, 409))
async def refund(
    body: RefundRequest,
    core: CoreDep,
    caller: Annotated[Caller, needs(Permission.REFUND_PAYMENTS)],
    idempotency_key: IdempotencyKey = None,
) -> RefundAnswer:
    return RefundAnswer.model_validate(await service.refund(core, caller, body, idempotency_key))


@router.post(
    "/webhooks/sandbox",
    summary="News from the sandbox gateway",
    responses=responses(401, 404, 409, 422),
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": Webhook.model_json_schema()}}}},
)
async def sandbox_webhook(
    request: Request,
    core: CoreDep,
    x_sandbox_signature: Annotated[
        str | None, Header(description="t=<seconds>,v1=<hex HMAC-SHA256 of the time, a point and the body>")
    ] = None,
) -> WebhookAnswer:
    news = webhooks.from_sandbox(await request.body(), x_sandbox_signature)
    return WebhookAnswer.model_validate(await webhooks.receive(core, news))


@router.post(
    "/webhooks/stripe",
    summary="News from Stripe",
    description="Events of payment intents and disputes; others are received and ignored.",
    responses=responses(401, 404, 409, 422),
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def stripe_webhook(
    request: Request,
    core: CoreDep,
    stripe_signature: Annotated[str | None, Header(description="Stripe's signature, not older than 5 minutes.")] = None,
) -> WebhookAnswer:
    news = await webhooks.from_stripe(core, await request.body(), stripe_signature)
    if news is None:
        return WebhookAnswer(received=True)
    return WebhookAnswer.model_validate(await webhooks.receive(core, news))
