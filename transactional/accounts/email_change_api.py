"""The endpoints of another e-mail address."""

from __future__ import annotations

from fastapi import APIRouter, BackgroundTasks

from transactional.accounts import email_change
from transactional.accounts.schemas import EmailChange, EmailProof, EmailUndo
from transactional.platform.authentication import MemberDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(tags=["accounts"])


@router.post(
    "/users/email",
    summary="Ask for another e-mail address",
    status_code=202,
    responses=responses(400, 401, 404, 409, 422),
)
async def ask(core: CoreDep, member: MemberDep, change: EmailChange, behind: BackgroundTasks) -> None:
    """Needs the password, and a code where there is a second factor; without a password, a login of the last ten minutes. A
    letter goes to the new address, and one that can stop the change to the present one. The answer does not tell whether
    the address is another account's."""
    account = await email_change.ask(core, member, change)
    behind.add_task(email_change.send_letters, core, account, change.email, member.login)


@router.post(
    "/auth/email/confirm",
    summary="Confirm the new e-mail address",
    status_code=204,
    responses=responses(400, 401, 409, 422),
)
async def confirm(core: CoreDep, proof: EmailProof) -> None:
    """With the token of the letter to the new address, good once and for 24 hours. Logs out everywhere but where the change
    was asked for."""
    await email_change.confirm(core, proof.token)


@router.post(
    "/auth/email/undo",
    summary="Have the e-mail address before back",
    status_code=204,
    responses=responses(400, 401, 409, 422),
)
async def undo(core: CoreDep, request: EmailUndo) -> None:
    """With the token of the letter to the address before, good once and for some days. It stops a change that is not confirmed
    yet, too. Logs out everywhere; the new password shuts out who has the old one."""
    await email_change.undo(core, request)
