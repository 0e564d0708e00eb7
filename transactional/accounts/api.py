"""The accounts' endpoints."""

from __future__ import annotations

import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Header, Query, Response

from lakefront.contracts.commerce import OrderStatus
from transactional.accounts import letters, service, sessions
from transactional.accounts.schemas import (
    EmailProof,
    ForgottenPassword,
    JsonWebKeys,
    Login,
    OrderList,
    PasswordChange,
    PasswordReset,
    Profile,
    ProfileChange,
    Refresh,
    Registration,
    SessionList,
    Tokens,
)
from transactional.platform.authentication import CallerDep, MemberDep
from transactional.platform.core import CoreDep
from transactional.platform.cursors import Cursor
from transactional.platform.errors import responses
from transactional.platform.signing_keys import PUBLISHED_SECONDS, ring

router = APIRouter(tags=["accounts"])
well_known = APIRouter(tags=["accounts"])
"""What stands at the root, where programs look for it."""
UserAgent = Annotated[str | None, Header(include_in_schema=False)]


@router.post("/auth/register", summary="Open an account", status_code=201, responses=responses(400, 409, 422))
async def register(
    core: CoreDep,
    caller: CallerDep,
    registration: Registration,
    behind: BackgroundTasks,
    user_agent: UserAgent = None,
) -> Tokens:
    """The answer logs you in, and a letter asks to verify the address. With `X-Session-Id` the guest's cart becomes the
    account's."""
    tokens = await service.register(core, registration, caller, user_agent)
    if not (caller.is_internal and core.settings.simulation):
        behind.add_task(letters.ask_to_verify, core, tokens.user_id, registration.email)
    return tokens


@router.post("/auth/login", summary="Log in", responses=responses(400, 401, 422))
async def log_in(core: CoreDep, caller: CallerDep, login: Login, user_agent: UserAgent = None) -> Tokens:
    """Ten wrong attempts in five minutes at one account, fifty from one address. With `X-Session-Id` the guest's cart
    joins the account's."""
    return await service.log_in(core, login, caller, user_agent)


@router.post("/auth/refresh", summary="Get new tokens", responses=responses(400, 401, 422))
async def refresh(core: CoreDep, body: Refresh) -> Tokens:
    """A refresh token is good once; using it a second time ends all tokens of that login."""
    return await sessions.refresh(core, body.refresh_token)


@router.post(
    "/auth/verify-email", summary="Verify the e-mail address", status_code=204, responses=responses(400, 401, 422)
)
async def verify_email(core: CoreDep, proof: EmailProof) -> None:
    """With the token of the letter, good once and for 24 hours."""
    await letters.verify_email(core, proof.token)


@router.post(
    "/auth/verify-email/request", summary="Send the verifying letter again", status_code=202, responses=responses(401)
)
async def ask_to_verify(core: CoreDep, member: MemberDep) -> None:
    """At most five letters an hour; nothing is sent when the address is verified."""
    await letters.ask_again_to_verify(core, member.member_id)


@router.post(
    "/auth/password/forgotten", summary="Have a new password offered", status_code=202, responses=responses(400, 422)
)
async def forgotten_password(core: CoreDep, forgotten: ForgottenPassword, behind: BackgroundTasks) -> None:
    """Sends a letter if there is such an account; the answer does not tell whether there is."""
    behind.add_task(letters.offer_reset, core, forgotten.email)


@router.post(
    "/auth/password/reset", summary="Set a new password by letter", status_code=204, responses=responses(400, 401, 422)
)
async def reset_password(core: CoreDep, reset: PasswordReset) -> None:
    """With the token of the letter, good once and for 30 minutes. Logs out everywhere."""
    await letters.reset_password(core, reset.token, reset.new_password)


@router.put("/users/password", summary="Change one's password", status_code=204, responses=responses(400, 401, 422))
async def change_password(core: CoreDep, member: MemberDep, change: PasswordChange) -> None:
    """Logs out everywhere else."""
    await service.change_password(core, member, change)


@router.get("/auth/sessions", summary="List one's sessions", responses=responses(401))
async def list_sessions(core: CoreDep, member: MemberDep) -> SessionList:
    """Where the account is logged in, the last used first; at most 100."""
    found = await sessions.sessions(core, member.member_id, member.login)
    return SessionList.model_validate({"items": found})


@router.delete("/auth/sessions", summary="Log out everywhere", status_code=204, responses=responses(401, 422))
async def end_sessions(
    core: CoreDep,
    member: MemberDep,
    keep_current: Annotated[bool, Query(description="Stay logged in here.")] = False,
) -> None:
    """Ends all tokens of the account: refresh tokens at once, access tokens within a second."""
    await sessions.end_all(core, member.member_id, but=member.login if keep_current else None)


@router.delete(
    "/auth/sessions/{session_id}", summary="Log out one session", status_code=204, responses=responses(401, 404, 422)
)
async def end_session(core: CoreDep, member: MemberDep, session_id: UUID) -> None:
    """Ends its tokens: refresh tokens at once, access tokens within a second."""
    await sessions.end_session(core, member.member_id, session_id)


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
    cursor: Cursor = None,
    status: Annotated[
        list[OrderStatus] | None,
        Query(max_length=8, description="Only orders of these statuses.", examples=[["shipped"]]),
    ] = None,
) -> Response:
    """Newest first, with their lines."""
    body = await service.orders(core, member.member_id, limit, cursor, status)
    return Response(body, headers={"Cache-Control": "private, no-store"}, media_type="application/json")


@well_known.get("/.well-known/jwks.json", summary="The keys that verify access tokens", responses=responses())
async def keys(response: Response) -> JsonWebKeys:
    """JSON Web Keys (RFC 7517). A new key is here for as long as this answer may be kept before it signs."""
    response.headers["Cache-Control"] = f"public, max-age={PUBLISHED_SECONDS}"
    return JsonWebKeys.model_validate({"keys": ring.now().published(time.time())})
