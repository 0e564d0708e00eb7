"""The promotions API, for merchandisers. Shoppers name a coupon's code in a quote or an order."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional.platform.authentication import Caller, needs
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses
from transactional.platform.permissions import Permission
from transactional.promotions import service
from transactional.promotions.schemas import CouponAnswer, CouponsAnswer, NewCoupon

router = APIRouter(prefix="/promotions/coupons", tags=["promotions"])


@router.post("", status_code=201, summary="Make a coupon", responses=responses(401, 403, 409, 422))
async def create_coupon(
    body: NewCoupon, core: CoreDep, caller: Annotated[Caller, needs(Permission.MANAGE_PROMOTIONS)]
) -> CouponAnswer:
    """Its terms never change afterwards: end it, and make another."""
    return CouponAnswer.model_validate(await service.create(core, caller.actor, body))


@router.get("", summary="All coupons, newest first", responses=responses(401, 403, 422))
async def list_coupons(
    core: CoreDep,
    _: Annotated[Caller, needs(Permission.MANAGE_PROMOTIONS)],
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CouponsAnswer:
    return CouponsAnswer.model_validate(await service.coupons(core, limit, cursor))


@router.post("/{coupon_id}/end", summary="End a coupon", responses=responses(401, 403, 404))
async def end_coupon(
    coupon_id: UUID, core: CoreDep, _: Annotated[Caller, needs(Permission.MANAGE_PROMOTIONS)]
) -> CouponAnswer:
    """From now on nobody redeems it; orders that did keep their discount. Ending it twice changes nothing."""
    return CouponAnswer.model_validate(await service.end(core, coupon_id))
