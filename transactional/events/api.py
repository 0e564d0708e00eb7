"""The clickstream's endpoint."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response

from transactional.events import service
from transactional.events.schemas import REQUEST_BODY, Accepted
from transactional.platform.authentication import CallerDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(tags=["events"])


@router.post(
    "/events",
    summary="Report what a shopper did",
    status_code=202,
    response_model=Accepted,
    responses=responses(400, 401, 413, 422),
    openapi_extra={"requestBody": REQUEST_BODY},
)
async def report_events(request: Request, core: CoreDep, caller: CallerDep) -> Response:
    """Up to 500 events. A bad one is named in `rejected` and the good ones are kept; 202 means that those are on the bus.

    With 503 nothing counts as accepted: wait for `Retry-After` and send the batch again with the same event ids.
    """
    answer = await service.accept(core, await request.body(), caller)
    return Response(orjson.dumps(answer), 202, media_type="application/json")
