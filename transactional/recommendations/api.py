"""The endpoint of recommendations."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from lakefront.contracts.storefront import Surface
from transactional.platform.authentication import CallerDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses
from transactional.recommendations import service
from transactional.recommendations.schemas import RecommendationList

router = APIRouter(tags=["recommendations"])
CACHE_CONTROL = "private, no-store"


@router.get(
    "/recommendations",
    summary="Recommend products",
    response_model=RecommendationList,
    responses=responses(400, 401, 404, 422),
)
async def recommend(
    core: CoreDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
    surface: Annotated[Surface, Query(description="Where the list is shown.")] = "home",
    product_id: Annotated[UUID | None, Query(description="On a product's page: what else its viewers like.")] = None,
) -> Response:
    """Products for the logged in shopper or the session of `X-Session-Id`; reacts to what the session just viewed. When
    models or features are missing or late, popular products are shown and `metadata.fallback` says why."""
    body = await service.recommend(core, caller, limit, surface, product_id)
    return Response(body, media_type="application/json", headers={"Cache-Control": CACHE_CONTROL})
