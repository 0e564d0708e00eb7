"""The endpoints of sign-in through an external OpenID provider."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Cookie, Response

from transactional.accounts import openid
from transactional.accounts.api import UserAgent
from transactional.accounts.openid import ATTEMPT, Begun
from transactional.accounts.schemas import (
    OpenIDAnswer,
    OpenIDIdentities,
    OpenIDOffer,
    OpenIDStart,
    PasswordProof,
    Tokens,
)
from transactional.platform.authentication import CallerDep, MemberDep
from transactional.platform.core import Core, CoreDep
from transactional.platform.errors import responses

router = APIRouter(tags=["accounts"])
COOKIE = "lakefront_openid"
Browser = Annotated[str | None, Cookie(alias=COOKIE, max_length=200, description="Set when the browser began.")]


@router.get("/auth/openid", summary="Show the OpenID provider", responses=responses())
async def offer(core: CoreDep) -> OpenIDOffer:
    """Whether there is one, and what its button says."""
    enabled = bool(core.settings.openid_issuer)
    return OpenIDOffer(enabled=enabled, label=core.settings.openid_button_label if enabled else None)


@router.post("/auth/openid/start", summary="Begin to sign in through it", responses=responses(404))
async def start(core: CoreDep, response: Response) -> OpenIDStart:
    """Send the browser to `authorization_url`. A cookie ties what comes back to this browser, for 10 minutes."""
    return _started(core, response, await openid.begin(core))


@router.post(
    "/auth/openid/finish",
    summary="Sign in through it",
    responses=responses(400, 401, 403, 404, 409, 422),
)
async def finish(
    core: CoreDep,
    caller: CallerDep,
    answer: OpenIDAnswer,
    response: Response,
    browser: Browser = None,
    user_agent: UserAgent = None,
) -> Tokens:
    """With what the provider sent the browser back with. Signs in to the account that is linked, links the one with the same
    address where both sides have verified it, or opens one. With `X-Session-Id` the guest's cart joins the account's."""
    response.delete_cookie(COOKIE, path="/")
    return await openid.log_in(core, answer, browser, caller, user_agent)


@router.get("/users/openid", summary="List what one is linked to", responses=responses(401))
async def show(core: CoreDep, member: MemberDep) -> OpenIDIdentities:
    """The providers through which the account can be signed in to."""
    return OpenIDIdentities.model_validate({"items": await openid.identities(core, member.member_id)})


@router.post("/users/openid/link/start", summary="Begin to link it", responses=responses(400, 401, 404, 422))
async def start_link(core: CoreDep, member: MemberDep, proof: PasswordProof, response: Response) -> OpenIDStart:
    """Needs the password. Send the browser to `authorization_url`."""
    return _started(core, response, await openid.begin_link(core, member.member_id, proof.password))


@router.post(
    "/users/openid/link/finish", summary="Link it", status_code=204, responses=responses(400, 401, 404, 409, 422)
)
async def finish_link(
    core: CoreDep, member: MemberDep, answer: OpenIDAnswer, response: Response, browser: Browser = None
) -> None:
    """With what the provider sent the browser back with. The address there may be another than the account's."""
    response.delete_cookie(COOKIE, path="/")
    await openid.finish_link(core, member.member_id, answer, browser)


@router.post("/users/openid/unlink", summary="Unlink it", status_code=204, responses=responses(400, 401, 404, 422))
async def unlink(core: CoreDep, member: MemberDep, proof: PasswordProof) -> None:
    """Needs the password, which is the way in from then on; who has none sets one by letter first."""
    await openid.unlink(core, member.member_id, proof.password)


def _started(core: Core, response: Response, begun: Begun) -> OpenIDStart:
    """The cookie is no script's, and comes with requests of our own pages only."""
    response.set_cookie(
        COOKIE,
        begun.browser,
        max_age=int(ATTEMPT.total_seconds()),
        path="/",
        secure=core.settings.openid_redirect_uri.startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    response.headers["Cache-Control"] = "no-store"
    return OpenIDStart(authorization_url=begun.authorization_url, expires_in=int(ATTEMPT.total_seconds()))
