"""OAuth 2.0 (RFC 6749, with what RFC 9700 asks for): clients, authorization codes with PKCE (RFC 7636), and the token endpoint.

A code is good once, for a minute, for one client, one redirect address and whoever knows the verifier (S256 only). Shown
twice, it ends the session that it was exchanged for. The password grant is for clients of our own that were given it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.accounts import personal, service, sessions, store
from transactional.accounts.schemas import Authorization, Login, NewClient, Tokens
from transactional.accounts.sessions import NewSession, end_sessions, token_hash, tokens_of
from transactional.platform import audit, revocations
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.errors import Problem
from transactional.platform.query import Row, first

CODE = timedelta(seconds=60)


def refused(error: str, description: str, status: int = 400) -> Problem:
    """A problem document with the members that OAuth's clients look for."""
    headers = {"WWW-Authenticate": 'Basic realm="lakefront"'} if status == 401 else None
    return Problem(status, error, description, None, headers, error=error, error_description=description)


async def register_client(core: Core, actor: str, new: NewClient) -> dict[str, Any]:
    """A client, with its secret where it can keep one; the secret is shown this once."""
    secret = random.token_urlsafe(32) if new.confidential else None
    parameters = {
        "id": str(new_id()),
        "name": new.name,
        "secret_hash": token_hash(secret) if secret else None,
        "redirect_uris": new.redirect_uris,
        "grants": list(new.grants),
        "now": core.clock.now(),
    }
    async with core.db.transaction() as connection:
        await connection.execute(store.ADD_CLIENT, parameters)
        await audit.note(connection, actor, "client_registered", parameters["id"], grants=parameters["grants"])
    return {"client_id": parameters["id"], "client_secret": secret, **new.model_dump()}


async def authorize(core: Core, user_id: UUID, asked: Authorization) -> str:
    """Where to send the browser: the client's address with a code. Nothing is sent to an address that is not registered."""
    client = await _client(core, asked.client_id)
    if asked.redirect_uri not in client["redirect_uris"]:
        raise refused("invalid_request", "The redirect_uri is not one of the client's, letter for letter")
    if "authorization_code" not in client["grants"]:
        raise refused("unauthorized_client", "The client was not given this grant")
    code = random.token_urlsafe(32)
    parameters = {
        "code_hash": token_hash(code),
        "client_id": asked.client_id,
        "user_id": user_id,
        "redirect_uri": asked.redirect_uri,
        "code_challenge": asked.code_challenge,
        "expires_at": real_now() + CODE,
    }
    async with core.db.connection() as connection:
        await connection.execute(store.ADD_CODE, parameters)
    answer = {"code": code} | ({"state": asked.state} if asked.state is not None else {})
    joint = "&" if urlsplit(asked.redirect_uri).query else "?"
    return f"{asked.redirect_uri}{joint}{urlencode(answer)}"


async def token(core: Core, caller: Caller, form: dict[str, str | None], user_agent: str | None) -> Tokens:
    """The token endpoint. Raises Problem 400 or 401 with OAuth's ``error``, and 429 after too many passwords."""
    client = await _authenticated(core, form.get("client_id"), form.get("client_secret"))
    grant = form["grant_type"]
    if grant not in ("authorization_code", "password", "refresh_token"):
        raise refused("unsupported_grant_type", "The grant is authorization_code, password or refresh_token")
    if grant not in client["grants"]:
        raise refused("unauthorized_client", "The client was not given this grant")
    if grant == "refresh_token":
        return await _refreshed(core, _needed(form, "refresh_token"), client["id"])
    if grant == "password":
        login = Login.model_construct(email=_needed(form, "username"), password=_needed(form, "password"))
        return await _by_password(core, caller, client, login, user_agent)
    return await _exchanged(core, client, form, user_agent)


async def _exchanged(core: Core, client: Row, form: dict[str, str | None], user_agent: str | None) -> Tokens:
    """The code and its session are used in one transaction: who shows it again waits, and then finds the session to end."""
    session = NewSession.begin(core, user_agent)
    parameters = {
        "code_hash": token_hash(_needed(form, "code")),
        "client_id": client["id"],
        "redirect_uri": _needed(form, "redirect_uri"),
        "code_challenge": challenge_of(_needed(form, "code_verifier")),
        "now": session.now,
        "session": session.id,
    }
    async with core.db.transaction() as connection:
        used = await first(connection, store.USE_CODE, parameters)
        if used is not None:
            opened = {"user_id": used["user_id"], **session.parameters, "client_id": client["id"]}
            done = await first(connection, store.OPEN_SESSION, opened)
            account = await personal.by_id(connection, used["user_id"]) if done and done["opened"] else None
    if used is None:
        await _end_if_replayed(core, parameters)
        raise refused("invalid_grant", "The code is not valid, or not any more")
    if account is None:  # the account was deleted meanwhile, or is just being deleted
        raise refused("invalid_grant", "The code is not valid, or not any more")
    return tokens_of(core, account, session.id, session.refresh_token)


async def _end_if_replayed(core: Core, parameters: dict[str, Any]) -> None:
    async with core.db.connection() as connection:
        before = await first(connection, store.CODE_USED_BEFORE, parameters)
        if before is not None:
            revocations.note_ended(await end_sessions(connection, before["user_id"], only=before["session"]))


async def _by_password(core: Core, caller: Caller, client: Row, login: Login, user_agent: str | None) -> Tokens:
    try:
        account = await service.authenticate(core, login, caller)
    except Problem as problem:
        if problem.code != "invalid_credentials":
            raise
        raise refused("invalid_grant", "The e-mail address or the password is wrong") from None
    if account["second_factor"]:
        raise refused("invalid_grant", "The account has a second factor: use an authorization code")
    return await sessions.open_session(core, account, user_agent, client["id"])


async def _refreshed(core: Core, refresh_token: str, client_id: str) -> Tokens:
    try:
        return await sessions.refresh(core, refresh_token, client_id)
    except Problem as problem:
        raise refused("invalid_grant", problem.title) from None


async def _authenticated(core: Core, client_id: str | None, secret: str | None) -> Row:
    client = await _client(core, client_id or "")
    kept = client["secret_hash"]
    given = token_hash(secret) if secret else b""
    if not hmac.compare_digest(bytes(kept or b""), given):
        raise refused("invalid_client", "The client is not known, or its secret is wrong", 401)
    return client


async def _client(core: Core, client_id: str) -> Row:
    async with core.db.connection() as connection:
        client = await first(connection, store.CLIENT, {"id": client_id.replace("\x00", "")})
    if client is None:
        raise refused("invalid_client", "The client is not known, or its secret is wrong", 401)
    return client


def challenge_of(verifier: str) -> str:
    """S256: what the client sent ahead for this verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _needed(form: dict[str, str | None], name: str) -> str:
    value = form.get(name)
    if not value:
        raise refused("invalid_request", f"{name} is missing")
    return value.replace("\x00", "")
