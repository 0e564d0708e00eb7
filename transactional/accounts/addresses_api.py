"""The endpoints of an account's addresses."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from transactional.accounts import addresses
from transactional.accounts.schemas import AddressAnswer, AddressList, AddressRequest
from transactional.platform.authentication import MemberDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(tags=["accounts"])


@router.get("/users/addresses", summary="List one's addresses", responses=responses(401))
async def list_addresses(core: CoreDep, member: MemberDep) -> AddressList:
    """The default first; at most 20."""
    return AddressList.model_validate({"items": await addresses.addresses(core, member.member_id)})


@router.post("/users/addresses", summary="Add an address", status_code=201, responses=responses(400, 401, 409, 422))
async def add_address(core: CoreDep, member: MemberDep, address: AddressRequest) -> AddressAnswer:
    """The first one is the default; a new default takes the place of the one before."""
    return AddressAnswer.model_validate(await addresses.add(core, member.member_id, address))


@router.put("/users/addresses/{address_id}", summary="Replace an address", responses=responses(400, 401, 404, 422))
async def change_address(address_id: UUID, core: CoreDep, member: MemberDep, address: AddressRequest) -> AddressAnswer:
    """All of it; orders keep the address that they were placed with."""
    return AddressAnswer.model_validate(await addresses.change(core, member.member_id, address_id, address))


@router.delete(
    "/users/addresses/{address_id}", summary="Forget an address", status_code=204, responses=responses(401, 404, 422)
)
async def remove_address(address_id: UUID, core: CoreDep, member: MemberDep) -> None:
    """Orders keep the address that they were placed with."""
    await addresses.remove(core, member.member_id, address_id)
