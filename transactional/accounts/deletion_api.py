"""The endpoint by which an account's owner has it deleted."""

from __future__ import annotations

from fastapi import APIRouter

from transactional.accounts import deletion
from transactional.accounts.schemas import DeletionAsked, OwnerProof
from transactional.platform.authentication import MemberDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(tags=["accounts"])


@router.post(
    "/users/deletion",
    summary="Have one's account deleted",
    status_code=202,
    responses=responses(400, 401, 404, 409, 422),
)
async def ask(core: CoreDep, member: MemberDep, proof: OwnerProof) -> DeletionAsked:
    """Needs the password, and a code where there is a second factor; without a password, a login of the last ten minutes. Logs
    out everywhere. Logging in before `due_at` takes it back; after that, orders and payments stay without the person, and
    everything else is erased, store credit included. Orders that are under way hold it back."""
    return DeletionAsked.model_validate(await deletion.ask(core, member, proof))
