"""The sellers' endpoints: for everybody, for a seller's own people, and for who manages sellers."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from transactional.catalogue.schemas import Listings, Status
from transactional.platform.authentication import Caller, EditorDep, MemberDep, needs
from transactional.platform.cache import rendered_response
from transactional.platform.core import CoreDep
from transactional.platform.cursors import Cursor
from transactional.platform.errors import responses
from transactional.platform.permissions import Permission
from transactional.sellers import people, service
from transactional.sellers.schemas import (
    Code,
    NewSeller,
    SellerAccount,
    SellerAccounts,
    SellerChange,
    SellerPeople,
    SellerStatus,
    ShownSeller,
    StatusChange,
)

router = APIRouter(prefix="/sellers", tags=["sellers"])
ManagerDep = Annotated[Caller, needs(Permission.MANAGE_SELLERS)]
SellerCode = Annotated[Code, Path()]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.post("", status_code=201, summary="Apply as a seller", responses=responses(400, 401, 403, 404, 409, 422))
async def apply(core: CoreDep, member: MemberDep, new: NewSeller) -> SellerAccount:
    """With a verified e-mail address. Nothing can be listed before the application is approved; who applied logs in anew
    then. An account belongs to one seller at most."""
    return SellerAccount.model_validate(await service.apply(core, member.member_id, new))


@router.get("", summary="List sellers", responses=responses(401, 403, 422))
async def list_sellers(
    core: CoreDep,
    _: ManagerDep,
    status: Annotated[SellerStatus | None, Query(description="`pending`: who waits for approval.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> SellerAccounts:
    """By code, whatever their status."""
    return SellerAccounts.model_validate(await service.sellers(core, status, limit, cursor))


@router.get("/me", summary="Show one's seller", responses=responses(401, 404))
async def show_own(core: CoreDep, member: MemberDep) -> SellerAccount:
    """That the account belongs to, also while it waits for approval or is suspended."""
    return SellerAccount.model_validate(await service.own(core, member.member_id))


@router.get(
    "/me/products",
    summary="List one's seller's products",
    response_model=Listings,
    responses=responses(401, 403, 422),
)
async def list_own_products(
    core: CoreDep,
    caller: EditorDep,
    status: Annotated[Status | None, Query()] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """The newest first, whatever their status, as they are at this moment; one with variants once."""
    body = await service.own_products(core, caller, status, limit, cursor)
    return Response(body, headers={"Cache-Control": "private, no-store"}, media_type="application/json")


@router.get("/{code}", summary="Show a seller", response_model=ShownSeller, responses=responses(404, 422))
async def show(request: Request, core: CoreDep, code: SellerCode) -> Response:
    """One that sells now. The number of products may be a minute old."""
    return rendered_response(request, await service.public(core, code))


@router.patch("/{code}", summary="Rename a seller", responses=responses(400, 401, 403, 404, 409, 422))
async def change(core: CoreDep, caller: ManagerDep, code: SellerCode, change: SellerChange) -> SellerAccount:
    """What shoppers see. The code stays: products, facets and filters name it."""
    return SellerAccount.model_validate(await service.change(core, caller.actor, code, change))


@router.delete(
    "/{code}", status_code=204, summary="Refuse an application", responses=responses(401, 403, 404, 409, 422)
)
async def refuse(core: CoreDep, caller: ManagerDep, code: SellerCode) -> None:
    """Of a seller that was not approved yet. The code is free again."""
    await service.refuse(core, caller.actor, code)


@router.put("/{code}/status", summary="Approve or suspend a seller", responses=responses(400, 401, 403, 404, 409, 422))
async def change_status(core: CoreDep, caller: ManagerDep, code: SellerCode, change: StatusChange) -> SellerAccount:
    """While a seller is suspended its people change nothing, and its products are out of the shop, as inactive ones are, from
    within seconds; they come back as they were when it is active again. Approving gives its people the role `seller` and
    logs them out, since their tokens name another."""
    return SellerAccount.model_validate(await service.change_status(core, caller.actor, code, change))


@router.get("/{code}/people", summary="List a seller's people", responses=responses(401, 403, 404, 422))
async def list_people(core: CoreDep, _: ManagerDep, code: SellerCode) -> SellerPeople:
    """The accounts that act for it."""
    return SellerPeople.model_validate({"items": await people.people(core, code)})


@router.put(
    "/{code}/people/{user_id}",
    status_code=204,
    summary="Tie an account to a seller",
    responses=responses(401, 403, 404, 409, 422),
)
async def tie(core: CoreDep, caller: ManagerDep, code: SellerCode, user_id: UUID) -> None:
    """A shopper's account becomes a seller's, and is logged out, since its tokens name the role that it had."""
    await people.tie(core, caller.actor, code, user_id)


@router.delete(
    "/{code}/people/{user_id}",
    status_code=204,
    summary="Untie an account from a seller",
    responses=responses(401, 403, 404, 422),
)
async def untie(core: CoreDep, caller: ManagerDep, code: SellerCode, user_id: UUID) -> None:
    """It is a shopper's again, and logged out. What it was changing at this moment is done or refused when this answers."""
    await people.untie(core, caller.actor, code, user_id)
