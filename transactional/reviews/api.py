"""The endpoints of reviews: what everybody reads, what an account writes, and what moderators decide."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from transactional.platform.authentication import Caller, MemberDep, needs
from transactional.platform.cache import rendered_response
from transactional.platform.core import CoreDep, core
from transactional.platform.cursors import Cursor
from transactional.platform.errors import responses
from transactional.platform.permissions import Permission
from transactional.reviews import moderation, service
from transactional.reviews.schemas import (
    Approval,
    ModeratedReview,
    ModeratedReviews,
    NewReview,
    OwnReview,
    OwnReviews,
    ProductReviews,
    Rejection,
    Sort,
    Stars,
    Status,
)

router = APIRouter(tags=["reviews"])
ModeratorDep = Annotated[Caller, needs(Permission.MODERATE_REVIEWS)]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.get(
    "/products/{product_id}/reviews",
    summary="List the reviews of a product",
    response_model=ProductReviews,
    responses=responses(404, 422),
)
async def product_reviews(
    request: Request,
    product_id: UUID,
    sort: Annotated[Sort, Query(description="Newest, highest or lowest rating first.")] = "newest",
    rating: Annotated[Stars | None, Query(description="Only those with so many stars.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """Those that are approved, with the average and the number of each star over all of them. A variant has the reviews of its
    product. Texts are plain text."""
    query = service.ListQuery(sort, rating, limit, cursor)
    return rendered_response(request, await service.product_reviews(core(request), product_id, query))


@router.post(
    "/products/{product_id}/reviews",
    summary="Review a product",
    status_code=201,
    responses=responses(400, 401, 403, 404, 409, 422),
)
async def write(core: CoreDep, member: MemberDep, product_id: UUID, new: NewReview) -> OwnReview:
    """One review of a product, or of any of its variants, by who bought it and has it. It is shown once a moderator has
    approved it."""
    return OwnReview.model_validate(await service.write(core, member.member_id, product_id, new))


@router.get("/users/reviews", summary="List one's reviews", responses=responses(401, 422))
async def own_reviews(core: CoreDep, member: MemberDep, limit: Limit = 20, cursor: Cursor = None) -> OwnReviews:
    """The newest first, with what became of each."""
    return OwnReviews.model_validate(await service.own_reviews(core, member.member_id, limit, cursor))


@router.put("/users/reviews/{review_id}", summary="Change one's review", responses=responses(400, 401, 404, 422))
async def rewrite(core: CoreDep, member: MemberDep, review_id: UUID, new: NewReview) -> OwnReview:
    """It waits for a moderator as a new one does, and is not shown until then."""
    return OwnReview.model_validate(await service.rewrite(core, member.member_id, review_id, new))


@router.delete(
    "/users/reviews/{review_id}",
    summary="Withdraw one's review",
    status_code=204,
    responses=responses(401, 404, 422),
)
async def withdraw(core: CoreDep, member: MemberDep, review_id: UUID) -> None:
    """It is gone, and its rating with it."""
    await service.withdraw(core, member.member_id, review_id)


@router.get("/reviews", summary="List reviews to moderate", responses=responses(401, 403, 422))
async def queue(
    core: CoreDep,
    _: ModeratorDep,
    status: Annotated[Status, Query(description="Those that wait, or what was decided.")] = "pending",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> ModeratedReviews:
    """What was submitted first first."""
    return ModeratedReviews.model_validate(await moderation.queue(core, status, limit, cursor))


@router.post(
    "/reviews/{review_id}/approve", summary="Approve a review", responses=responses(400, 401, 403, 404, 409, 422)
)
async def approve(core: CoreDep, caller: ModeratorDep, review_id: UUID, approval: Approval) -> ModeratedReview:
    """The shop shows it from now on, and its rating counts. A rejected one may be approved, too."""
    return ModeratedReview.model_validate(await moderation.approve(core, caller, review_id, approval.version))


@router.post(
    "/reviews/{review_id}/reject", summary="Reject a review", responses=responses(400, 401, 403, 404, 409, 422)
)
async def reject(core: CoreDep, caller: ModeratorDep, review_id: UUID, rejection: Rejection) -> ModeratedReview:
    """The shop does not show it; one that was approved is taken away, and its rating with it. The author sees why."""
    return ModeratedReview.model_validate(await moderation.reject(core, caller, review_id, rejection))
