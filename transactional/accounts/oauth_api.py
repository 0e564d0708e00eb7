"""The endpoints of OAuth 2.0."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated
from urllib.parse import unquote_plus

from fastapi import APIRouter, Form, Header, Request, Response

from transactional.accounts import oauth
from transactional.accounts.api import UserAgent
from transactional.accounts.schemas import Authorization, Authorized, NewClient, RegisteredClient, Tokens
from transactional.platform.authentication import Caller, MemberDep, address_of, needs
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses
from transactional.platform.permissions import Permission

router = APIRouter(tags=["accounts"])
Field = Annotated[str | None, Form(max_length=2000)]


@router.post("/oauth/clients", summary="Register a client", status_code=201, responses=responses(400, 401, 403, 422))
async def register_client(
    core: CoreDep, caller: Annotated[Caller, needs(Permission.MANAGE_ACCOUNTS)], new: NewClient
) -> RegisteredClient:
    """A program that people let act for them. A confidential one gets a secret, which is shown this once."""
    return RegisteredClient.model_validate(await oauth.register_client(core, caller.actor, new))


@router.post("/oauth/authorize", summary="Let a client act for one", responses=responses(400, 401, 422))
async def authorize(core: CoreDep, member: MemberDep, asked: Authorization) -> Authorized:
    """The shop's page asks the person, then calls this and sends the browser to `redirect_to`. PKCE with S256 is required."""
    return Authorized(redirect_to=await oauth.authorize(core, member.member_id, asked))


@router.post("/oauth/token", summary="Get tokens as a client", responses=responses(400, 401, 422))
async def token(
    core: CoreDep,
    request: Request,
    response: Response,
    grant_type: Annotated[str, Form(max_length=100, examples=["authorization_code"])],
    client_id: Field = None,
    client_secret: Field = None,
    code: Field = None,
    redirect_uri: Field = None,
    code_verifier: Field = None,
    username: Field = None,
    password: Annotated[str | None, Form(max_length=128)] = None,
    refresh_token: Field = None,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
    user_agent: UserAgent = None,
) -> Tokens:
    """RFC 6749: `authorization_code` with `code_verifier`, `password` for clients of our own, `refresh_token`. Refusals have
    OAuth's `error` beside the problem's members."""
    basic_id, basic_secret = _basic(authorization)
    response.headers["Cache-Control"] = "no-store"
    form = {
        "grant_type": grant_type,
        "client_id": basic_id or client_id,
        "client_secret": basic_secret or client_secret,
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
        "username": username,
        "password": password,
        "refresh_token": refresh_token,
    }
    return await oauth.token(core, _caller(request), form, user_agent)


def _caller(request: Request) -> Caller:
    """From where a client comes; its Authorization header names the client, no person."""
    peer = request.client.host if request.client else ""
    address = address_of(request.headers.get("x-forwarded-for"), peer)
    return Caller(None, None, "guest", None, None, address, is_internal=False)


def _basic(authorization: str | None) -> tuple[str | None, str | None]:
    """The client's id and secret of a Basic header, None without one."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise oauth.refused("invalid_client", "The Authorization header cannot be read", 401) from None
    return unquote_plus(client_id), unquote_plus(secret)
