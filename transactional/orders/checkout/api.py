"""The quote: what an order would cost, without taking anything."""

from __future__ import annotations

from fastapi import APIRouter

from transactional.orders.checkout import service
from transactional.orders.schemas import QuoteAnswer, QuoteRequest
from transactional.platform.authentication import CallerDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(prefix="/checkout", tags=["orders"])


@router.post("/quote", summary="What an order would cost", responses=responses(401, 404, 409, 422))
async def quote_order(body: QuoteRequest, core: CoreDep, caller: CallerDep) -> QuoteAnswer:
    """With the coupon's discount on each line. An order at the same moment costs exactly this; send the total as
    `expected_total` to be sure of it."""
    return QuoteAnswer.model_validate(await service.preview(core, caller, body))
