"""The orders API: parse, call, answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Request, Response

from lakefront.telemetry import correlation_id
from transactional.orders import service
from transactional.orders.checkout import service as checkout
from transactional.orders.checkout.saga import Answer
from transactional.orders.schemas import (
    HistoryAnswer,
    OrderAnswer,
    OrderDetail,
    OrderRequest,
    ReviewRequest,
    StatusAnswer,
    StatusRequest,
    TrackingAnswer,
)
from transactional.platform.authentication import Caller, CallerDep, needs
from transactional.platform.core import CoreDep, core
from transactional.platform.errors import PROBLEM_JSON, responses
from transactional.platform.permissions import Permission

router = APIRouter(prefix="/orders", tags=["orders"])
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="Equal requests with one key have one effect and get equal answers.",
        examples=["3e0f6c1e-order"],
    ),
]


def answered(answer: Answer) -> Response:
    """A checkout's answer as HTTP: the order, or the problem document. Equal answers are equal to the byte."""
    if answer.status < 400:
        content = orjson.dumps(answer.body, option=orjson.OPT_SORT_KEYS)
        return Response(content, answer.status, answer.headers, "application/json")
    correlation = correlation_id.get()
    body = {**answer.body, "correlation_id": correlation} if correlation else answer.body
    return Response(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), answer.status, answer.headers, PROBLEM_JSON)


@router.post(
    "",
    status_code=201,
    summary="Order products, or a cart",
    description="Takes the stock, assesses the risk, authorizes the payment and confirms. A quote that does not hold takes "
    "nothing. Where the risk or the payment is refused, the stock is given back and the order stands as failed; it may be "
    "paid again (`POST /payments/process`). An order held for review, or whose payment's outcome is not known yet, is "
    "answered with that status.",
    response_model=OrderAnswer,
    responses=responses(401, 402, 403, 404, 409, 422),
)
async def place_order(
    request: Request, body: OrderRequest, caller: CallerDep, idempotency_key: IdempotencyKey = None
) -> Response:
    return answered(await checkout.check_out(core(request), caller, body, idempotency_key))


@router.get("/{order_id}", summary="An order", responses=responses(401, 404))
async def get_order(order_id: UUID, core: CoreDep, caller: CallerDep) -> OrderDetail:
    return OrderDetail.model_validate(await service.order_of(core, caller, order_id))


@router.put("/{order_id}/cancel", summary="Cancel an order", responses=responses(401, 404, 409))
async def cancel_order(order_id: UUID, core: CoreDep, caller: CallerDep) -> StatusAnswer:
    return StatusAnswer.model_validate(await service.cancel(core, caller, order_id))


@router.get("/{order_id}/tracking", summary="Where an order is", responses=responses(401, 404))
async def track_order(order_id: UUID, core: CoreDep, caller: CallerDep) -> TrackingAnswer:
    return TrackingAnswer.model_validate(await service.tracking(core, caller, order_id))


@router.get(
    "/{order_id}/history",
    summary="Every fact of an order, and the order as it was",
    description="For merchandisers. `sequence` shows the order after that fact, `as_of` at that moment; without either, as "
    "it is now. What names a person is not part of a history.",
    responses=responses(401, 403, 404),
)
async def order_history(
    order_id: UUID, core: CoreDep, _: Annotated[Caller, needs(Permission.SEE_ORDER_HISTORY)],
    sequence: Annotated[int | None, Query(ge=1, examples=[1])] = None, as_of: datetime | None = None,
) -> HistoryAnswer:  # fmt: skip
    return HistoryAnswer.model_validate(await service.history(core, order_id, sequence, as_of))


@router.post(
    "/{order_id}/review", summary="Decide on an order held for review", responses=responses(401, 403, 404, 409)
)
async def review_order(
    order_id: UUID, body: ReviewRequest, core: CoreDep, caller: Annotated[Caller, needs(Permission.REVIEW_ORDERS)]
) -> StatusAnswer:
    return StatusAnswer.model_validate(await service.decide_review(core, caller, order_id, body.accept))


@router.put("/{order_id}/status", summary="Tell a step of the fulfilment", responses=responses(401, 403, 404, 409))
async def fulfil_order(
    order_id: UUID, body: StatusRequest, core: CoreDep, caller: Annotated[Caller, needs(Permission.FULFIL_ORDERS)]
) -> StatusAnswer:
    return StatusAnswer.model_validate(await service.fulfil(core, caller, order_id, body.status))
