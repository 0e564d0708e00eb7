"""The endpoints of the second factor."""

from __future__ import annotations

from fastapi import APIRouter

from transactional.accounts import second_factor, service
from transactional.accounts.api import UserAgent
from transactional.accounts.schemas import (
    Enrolment,
    NewSecondFactor,
    RecoveryCodes,
    SecondFactor,
    SecondFactorCode,
    SecondFactorLogin,
    SecondFactorRemoval,
    Tokens,
)
from transactional.platform.authentication import CallerDep, MemberDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(tags=["accounts"])


@router.post("/auth/login/second-factor", summary="Log in, second step", responses=responses(400, 401, 422))
async def log_in(core: CoreDep, caller: CallerDep, login: SecondFactorLogin, user_agent: UserAgent = None) -> Tokens:
    """With the `challenge` of `second_factor_required` and a code: the authenticator's, the one sent, or a recovery code."""
    return await service.log_in_with_second_factor(core, login, caller, user_agent)


@router.get("/users/second-factor", summary="Show one's second factor", responses=responses(401))
async def show(core: CoreDep, member: MemberDep) -> SecondFactor:
    """Which kind, whether it counts already, and how many recovery codes are left."""
    return SecondFactor.model_validate(await second_factor.state(core, member.member_id))


@router.post(
    "/users/second-factor",
    summary="Begin with a second factor",
    status_code=201,
    responses=responses(400, 401, 409, 422),
)
async def enrol(core: CoreDep, member: MemberDep, new: NewSecondFactor) -> Enrolment:
    """`totp` answers the secret for an authenticator, `sms` sends a code. It counts once a code of it was confirmed."""
    return Enrolment.model_validate(await second_factor.enrol(core, member.member_id, new))


@router.post("/users/second-factor/confirm", summary="Confirm it by a code", responses=responses(400, 401, 409, 422))
async def confirm(core: CoreDep, member: MemberDep, shown: SecondFactorCode) -> RecoveryCodes:
    """From now on logins need it. Keep the recovery codes: they are shown this once, and each is good once."""
    return RecoveryCodes(recovery_codes=await second_factor.confirm(core, member.member_id, shown.code))


@router.post("/users/second-factor/code", summary="Send a code", status_code=202, responses=responses(401))
async def send_code(core: CoreDep, member: MemberDep) -> None:
    """By text message, where that is the second factor; at most five an hour."""
    await second_factor.send_code(core, member.member_id)


@router.post("/users/second-factor/remove", summary="Do without", status_code=204, responses=responses(400, 401, 422))
async def remove(core: CoreDep, member: MemberDep, removal: SecondFactorRemoval) -> None:
    """Needs the password and a code. The recovery codes end with it."""
    await second_factor.remove(core, member.member_id, removal.password, removal.code)
