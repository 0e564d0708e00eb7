"""The endpoints of administrators and support."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional.accounts import administration
from transactional.accounts.schemas import AccountFound, AccountSought, AuditLog, RoleChange
from transactional.platform.authentication import Caller, needs
from transactional.platform.core import CoreDep
from transactional.platform.cursors import Cursor
from transactional.platform.errors import responses
from transactional.platform.permissions import Permission

router = APIRouter(tags=["accounts"])


@router.post(
    "/users/find", summary="Find an account by its e-mail address", responses=responses(400, 401, 403, 404, 422)
)
async def find(
    core: CoreDep, caller: Annotated[Caller, needs(Permission.FIND_ACCOUNTS)], sought: AccountSought
) -> AccountFound:
    """For support and administrators. The audit log has who looked up which account."""
    return AccountFound.model_validate(await administration.find(core, caller, sought.email))


@router.put(
    "/users/{user_id}/role",
    summary="Give an account a role",
    status_code=204,
    responses=responses(400, 401, 403, 404, 409, 422),
)
async def change_role(
    user_id: UUID, core: CoreDep, caller: Annotated[Caller, needs(Permission.MANAGE_ACCOUNTS)], change: RoleChange
) -> None:
    """Logs the account out everywhere, since its tokens name the role that it had."""
    await administration.change_role(core, caller, user_id, change.role)


@router.get("/audit", summary="Who did what to whom", responses=responses(400, 401, 403, 422))
async def audit_log(
    core: CoreDep,
    _: Annotated[Caller, needs(Permission.SEE_AUDIT_LOG)],
    subject: Annotated[
        str | None, Query(max_length=200, description="The account or thing that it was done to.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Cursor = None,
) -> AuditLog:
    """Newest first."""
    return AuditLog.model_validate(await administration.audit_log(core, subject, limit, cursor))
