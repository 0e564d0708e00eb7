"""The accounts' endpoints."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from transactional.accounts import service
from transactional.accounts.schemas import Login, OrderList, Profile, ProfileChange, Refresh, Registration, Tokens
from transactional.platform.authentication import CallerDep, MemberDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(tags=["accounts"])


@router.post("/auth/register", summary="Open an account", status_code=201, responses=responses(400, 409, 422))
async def register(core: CoreDep, caller: CallerDep, registration: Registration) -> Tokens:
    """The answer logs you in. With `X-Session-Id` the guest's cart becomes the account's."""
    return await service.register(core, registration, caller)


@router.post("/auth/login", summary="Log in", responses=responses(400, 401, 422))
async def log_in(core: CoreDep, caller: CallerDep, login: Login) -> Tokens:
    """Ten attempts in five minutes for one account. With `X-Session-Id` the guest's cart joins the account's."""
    return await service.log_in(core, login, caller)


@router.post("/auth/refresh", summary="Get new tokens", responses=responses(400, 401, 422))
async def refresh(core: CoreDep, body: Refresh) -> Tokens:
    """A refresh token is good once; using it a second time ends all tokens of that login."""
    return await service.refresh(core, body.refresh_token)


@router.get("/users/profile", summary="Show one's account", responses=responses(401, 404))
async def show_profile(core: CoreDep, member: MemberDep) -> Profile:
    """The account of the access token."""
    return Profile.model_validate(await service.profile(core, member.member_id))


@router.put("/users/profile", summary="Change one's account", responses=responses(400, 401, 404, 422))
async def change_profile(core: CoreDep, member: MemberDep, change: ProfileChange) -> Profile:
    """What is left out stays as it is."""
    return Profile.model_validate(await service.change_profile(core, member.member_id, change))


@router.get(
    "/users/orders",
    summary="List one's orders",
    response_model=OrderList,
    responses=responses(401, 422),
)
async def list_orders(
    core: CoreDep,
    member: MemberDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the page before.")] = None,
) -> Response:
    """Newest first, with their lines."""
    body = await service.orders(core, member.member_id, limit, cursor)
    return Response(body, headers={"Cache-Control": "private, no-store"}, media_type="application/json")
