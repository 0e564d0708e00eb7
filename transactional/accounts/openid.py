"""Sign-in through an external OpenID provider: whose account it is that the provider speaks for.

A browser gets a secret in a cookie when it begins. The state is good once, and in that browser only; the nonce and the
PKCE verifier are keyed hashes of the secret, so that neither a stolen table nor an intercepted code lets anybody in.
An identity that is not known yet joins an account by its e-mail address only where both the provider and we have seen that
address verified: otherwise whoever opened an account with somebody else's address would share it with them.
"""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from pydantic import TypeAdapter, ValidationError

from lakefront.clock import real_now
from lakefront.secrets import keyed_hash
from transactional.accounts import errors, letters, openid_store, personal, second_factor, service
from transactional.accounts.oauth import challenge_of
from transactional.accounts.openid_provider import Claims, Provider, ProviderRefused, ProviderUnavailable
from transactional.accounts.schemas import Email, OpenIDAnswer, Tokens
from transactional.accounts.sessions import token_hash
from transactional.platform import audit
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Database
from transactional.platform.errors import not_found
from transactional.platform.query import Row, first, rows

ATTEMPT = timedelta(minutes=10)
_MOST_NAME_CHARACTERS = 200
_email = TypeAdapter[str](Email)
_providers: WeakKeyDictionary[Database, Provider] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that the browser takes to the provider."""

    authorization_url: str
    browser: str
    """What the browser keeps, in a cookie."""


def provider_of(core: Core) -> Provider:
    """The provider of this process. Raises Problem 404 where none is configured."""
    found = _providers.get(core.db)
    if found is None:
        raise errors.no_openid_provider()
    return found


async def open_provider(core: Core) -> None:
    """Read the settings as the process starts: a mistake shows at once. The provider itself may be away."""
    chosen = core.settings
    if chosen.openid_issuer:
        secret = chosen.openid_client_secret.get_secret_value()
        redirect_uri = chosen.openid_redirect_uri or f"{chosen.api_url}/signed-in"
        _providers[core.db] = Provider(chosen.openid_issuer, chosen.openid_client_id, secret, redirect_uri)


async def close_provider(core: Core) -> None:
    """Close this process's connections to the provider."""
    provider = _providers.pop(core.db, None)
    if provider is not None:
        await provider.close()


async def begin(core: Core, user_id: UUID | None = None) -> Begun:
    """Send a browser to the provider; with an account, to link it. Raises Problem 404, and 503 while it is away."""
    provider = provider_of(core)
    state, browser = random.token_urlsafe(32), random.token_urlsafe(32)
    try:
        url = await provider.authorization_url(state, _nonce(browser), challenge_of(_verifier(browser)))
    except ProviderUnavailable:
        raise errors.openid_unavailable() from None
    parameters = {**_keys(state, browser), "user_id": user_id, "expires_at": real_now() + ATTEMPT}
    async with core.db.connection() as connection:
        await connection.execute(openid_store.BEGIN, parameters)
    return Begun(url, browser)


async def log_in(
    core: Core, answer: OpenIDAnswer, browser: str | None, caller: Caller, user_agent: str | None
) -> Tokens:
    """Tokens for whom the provider names: their account, one that their verified address finds, or a new one. Raises
    Problem 401 (also where a second factor is needed), 403, 409 and 503."""
    claims = await _claims(core, answer, browser, None)
    async with core.db.connection() as connection:
        known = await first(connection, openid_store.ACCOUNT_OF, _identity(claims))
        account = await personal.by_id(connection, known["user_id"]) if known else None
    if account is not None:
        return await service.go_on(core, account, caller, user_agent)
    email = _verified_email(claims)
    name = claims.name.replace("\x00", "")[:_MOST_NAME_CHARACTERS]
    tokens = await service.open_verified(core, email, name, _identity(claims), user_agent)
    if tokens is not None:
        return await service.with_cart(core, tokens, caller)
    return await _join(core, email, claims, caller, user_agent)


async def _join(core: Core, email: str, claims: Claims, caller: Caller, user_agent: str | None) -> Tokens:
    """There is an account with this address. Where it has a second factor, the identity is linked when that was shown."""
    async with core.db.connection() as connection:
        account = await personal.by_email(connection, email)
    if account is None or account["email_verified_at"] is None:
        raise errors.account_not_verified()
    if not account["second_factor"]:
        await _link(core, account, _identity(claims), account["user_id"])
    return await service.go_on(core, account, caller, user_agent, _identity(claims))


async def begin_link(core: Core, user_id: UUID, password: str) -> Begun:
    """As ``begin``, for an account that adds this way in; a token alone may be stolen, so the password is asked."""
    provider_of(core)
    await second_factor.with_password(core, user_id, password)
    return await begin(core, user_id)


async def finish_link(core: Core, user_id: UUID, answer: OpenIDAnswer, browser: str | None) -> None:
    """The account may be signed in to through the provider from now on. Raises Problem 401, 409 and 503."""
    claims = await _claims(core, answer, browser, user_id)
    async with core.db.connection() as connection:
        account = await personal.by_id(connection, user_id)
    if account is None:
        raise not_found("account", user_id)
    await _link(core, account, _identity(claims), user_id)


async def unlink(core: Core, user_id: UUID, password: str) -> None:
    """Sign in through the provider no longer. The password is asked, which stays as the way in. Raises Problem 401, 404."""
    issuer = provider_of(core).issuer
    await second_factor.with_password(core, user_id, password)
    async with core.db.transaction() as connection:
        if await first(connection, openid_store.UNLINK, {"user_id": user_id, "issuer": issuer}) is None:
            raise not_found("identity", issuer)
        await audit.note(connection, user_id, "openid_unlinked", user_id, issuer=issuer)


async def identities(core: Core, user_id: UUID) -> list[Row]:
    """The providers that an account is linked to."""
    async with core.db.connection() as connection:
        return await rows(connection, openid_store.IDENTITIES, {"user_id": user_id})


async def _link(core: Core, account: Row, identity: dict[str, Any], actor: UUID) -> None:
    """Link, and tell the owner by letter: who did it may have been somebody else."""
    linking = identity | {"user_id": account["user_id"]}
    async with core.db.transaction() as connection:
        if await first(connection, openid_store.LINK, linking) is None:
            owner = await first(connection, openid_store.ACCOUNT_OF, identity)
            if owner is None or owner["user_id"] != account["user_id"]:
                raise errors.identity_taken()
            return
        await audit.note(connection, actor, "openid_linked", account["user_id"], issuer=identity["issuer"])
    await letters.tell(core, account["user_id"], account["email"], "openid_linked")


async def _claims(core: Core, answer: OpenIDAnswer, browser: str | None, user_id: UUID | None) -> Claims:
    """Use the state up, and only then ask the provider."""
    provider = provider_of(core)
    if answer.iss is not None and answer.iss != provider.issuer:  # RFC 9207: the answer of another provider
        raise errors.invalid_openid_answer()
    parameters = {**_keys(answer.state, browser or ""), "user_id": user_id, "now": real_now()}
    async with core.db.connection() as connection:
        if await first(connection, openid_store.USE, parameters) is None:
            raise errors.invalid_openid_answer()
    assert browser is not None, "no attempt is kept for a browser without a secret"
    try:
        return await provider.claims(answer.code, _verifier(browser), _nonce(browser))
    except ProviderRefused:
        raise errors.invalid_openid_answer() from None
    except ProviderUnavailable:
        raise errors.openid_unavailable() from None


def _verified_email(claims: Claims) -> str:
    if claims.email is None or not claims.email_verified:
        raise errors.openid_email_not_verified()
    try:
        return _email.validate_python(claims.email)
    except ValidationError:
        raise errors.openid_email_not_verified() from None


def _identity(claims: Claims) -> dict[str, Any]:
    return {"issuer": claims.issuer, "subject": claims.subject, "now": real_now()}


def _keys(state: str, browser: str) -> dict[str, bytes]:
    return {"state_hash": token_hash(state), "browser_hash": token_hash(browser)}


def _nonce(browser: str) -> str:
    return keyed_hash("openid nonce", browser)


def _verifier(browser: str) -> str:
    """64 characters: RFC 7636 asks for 43 to 128."""
    return keyed_hash("openid verifier", browser) + keyed_hash("openid verifier, second half", browser)
