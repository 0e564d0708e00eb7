"""The endpoint by which an account's owner gets all that is held about it."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from transactional.accounts import export
from transactional.accounts.schemas import AccountExport, OwnerProof
from transactional.platform.authentication import MemberDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(tags=["accounts"])
_HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Disposition": 'attachment; filename="lakefront-account.json"',
}


@router.post(
    "/users/export",
    summary="Get all that is held about one's account",
    response_model=AccountExport,
    responses=responses(400, 401, 404, 422),
)
async def get(core: CoreDep, member: MemberDep, proof: OwnerProof) -> StreamingResponse:
    """Needs the password, and a code where there is a second factor; without a password, a login of the last ten minutes. One
    JSON document, as of one moment; at most five an hour. Events carry the profile's `pseudonym`, and no name."""
    document = await export.export(core, member, proof)
    return StreamingResponse(export.chunks(document), media_type="application/json", headers=_HEADERS)
