"""The rules of accounts: registration, login with throttled attempts, and profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from lakefront.clock import real_now
from lakefront.ids import new_id
from lakefront.secrets import secrets
from transactional.accounts import attempts, errors, passwords, personal, second_factor, store
from transactional.accounts.events import registered
from transactional.accounts.password_rules import check
from transactional.accounts.schemas import Login, PasswordChange, ProfileChange, Registration, SecondFactorLogin, Tokens
from transactional.accounts.second_factor import CHALLENGE
from transactional.accounts.sessions import NewSession, end_sessions, open_session, tokens_of
from transactional.carts import service as carts
from transactional.platform import audit, revocations
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor
from transactional.platform.errors import not_found
from transactional.platform.outbox import outbox_columns
from transactional.platform.query import Row, first

MERCHANDISER = "merchandiser@lakefront.example"


async def register(core: Core, registration: Registration, caller: Caller, user_agent: str | None = None) -> Tokens:
    """Open an account and log in. Raises Problem 409 when the address is taken."""
    check(registration.password, registration.email)
    is_simulated = caller.is_internal and core.settings.simulation
    tokens = await _open_account(core, registration, role="shopper", is_simulated=is_simulated, user_agent=user_agent)
    if tokens is None:
        raise errors.email_taken()
    return await with_cart(core, tokens, caller)


async def ensure_merchandiser(core: Core) -> None:
    """The first merchandiser's account exists; its password is among the secrets of the data folder."""
    async with core.db.connection() as connection:
        if await personal.by_email(connection, MERCHANDISER):
            return
    registration = Registration(email=MERCHANDISER, password=secrets().merchandiser_password, name="Merchandiser")
    await _open_account(core, registration, role="merchandiser", is_simulated=False)


async def _open_account(
    core: Core, registration: Registration, *, role: str, is_simulated: bool, user_agent: str | None = None
) -> Tokens | None:
    """The new account's tokens, None when the address is taken."""
    password_hash = await passwords.hash_password(core.password_pool, registration.password)
    person = {"email": registration.email, "name": registration.name, "country": registration.country}
    way_in = {"password_hash": password_hash, "verified_at": None, "issuer": None, "subject": None}
    return await _write_account(core, {**person, **way_in, "role": role, "is_simulated": is_simulated}, user_agent)


async def open_verified(
    core: Core, email: str, name: str, identity: Mapping[str, Any], user_agent: str | None
) -> Tokens | None:
    """An account for whom a provider has verified, without a password; None when the address is taken."""
    person = {"email": email, "name": name, "country": None, "role": "shopper", "is_simulated": False}
    way_in = {"password_hash": None, "verified_at": real_now(), **identity}
    return await _write_account(core, {**person, **way_in}, user_agent)


async def _write_account(core: Core, account: dict[str, Any], user_agent: str | None) -> Tokens | None:
    now = core.clock.now()
    user_id, user, session = new_id(), new_id(), NewSession.begin(core, user_agent)
    partitions, envelopes = outbox_columns([registered(user, account["email"], account["country"], now)])
    parameters = {
        **account,
        **personal.sealed(user_id, account["email"], account["name"]),
        "user_id": user_id,
        "now": now,
        "pseudonym": user,
        "partitions": partitions,
        "envelopes": envelopes,
        **session.parameters,
    }
    async with core.db.connection() as connection:  # one statement, which commits by itself
        if await first(connection, store.REGISTER, parameters) is None:
            return None
    opened = {**account, "user_id": user_id, "pseudonym": user, "created_at": now}
    return tokens_of(core, opened, session.id, session.refresh_token)


async def authenticate(core: Core, login: Login, caller: Caller) -> Row:
    """The account of an address and its password. Raises Problem 401, and 429 after too many attempts."""
    limits = attempts.keys_of(login.email, caller)
    await attempts.take_login(core, limits)
    async with core.db.connection() as connection:
        account = await personal.by_email(connection, login.email)
    password_hash = account["password_hash"] if account else None
    if not await passwords.matches(core.password_pool, password_hash, login.password) or account is None:
        raise errors.invalid_credentials()
    await attempts.succeeded(core, login.email, limits)
    return account


async def log_in(core: Core, login: Login, caller: Caller, user_agent: str | None = None) -> Tokens:
    """Tokens for an account. Raises Problem 401, also where a second factor is needed, and 429 after too many attempts."""
    return await go_on(core, await authenticate(core, login, caller), caller, user_agent)


async def go_on(
    core: Core, account: Row, caller: Caller, user_agent: str | None, identity: Mapping[str, Any] | None = None
) -> Tokens:
    """The login goes on once its first step was right. Raises Problem 401 where a second factor is needed; an ``identity``
    of a provider is linked when that was shown."""
    if account["second_factor"]:
        token = await second_factor.challenge(core, account, identity)
        raise errors.second_factor_required(account["second_factor"], token, int(CHALLENGE.total_seconds()))
    return await _let_in(core, account, caller, user_agent)


async def log_in_with_second_factor(
    core: Core, login: SecondFactorLogin, caller: Caller, user_agent: str | None = None
) -> Tokens:
    """Tokens for a login that its second factor completes. Raises Problem 401, and 429 after too many guesses."""
    return await _let_in(core, await second_factor.answer(core, login.challenge, login.code), caller, user_agent)


async def _let_in(core: Core, account: Row, caller: Caller, user_agent: str | None) -> Tokens:
    return await with_cart(core, await open_session(core, account, user_agent), caller)


async def with_cart(core: Core, tokens: Tokens, caller: Caller) -> Tokens:
    """The guest's cart joins the account's."""
    if caller.session:
        await carts.adopt(core, tokens.user_id, caller.session)
    return tokens


async def profile(core: Core, user_id: UUID) -> dict[str, Any]:
    """An account as its owner sees it."""
    async with core.db.connection() as connection:
        account = await personal.by_id(connection, user_id)
    if account is None:
        raise not_found("account", user_id)
    return account


async def change_profile(core: Core, user_id: UUID, change: ProfileChange) -> dict[str, Any]:
    """Take over what was sent. The version stays: it counts the account's events, and a profile is nobody else's matter."""
    name = None if change.name is None else personal.sealed_name(user_id, change.name)
    parameters = {"user_id": user_id, "name": name, "country": change.country}
    async with core.db.connection() as connection:
        await connection.execute(store.CHANGE_PROFILE, parameters)
    return await profile(core, user_id)


async def change_password(core: Core, caller: Caller, change: PasswordChange) -> None:
    """Set another password and log out elsewhere. Raises Problem 401, 422 (weak) or 429."""
    account = await profile(core, caller.member_id)
    limits = attempts.keys_of(account["email"], caller)
    await attempts.take_login(core, limits)
    if not await passwords.matches(core.password_pool, account["password_hash"], change.current_password):
        raise errors.wrong_password()
    await attempts.succeeded(core, account["email"], limits)
    check(change.new_password, account["email"], "new_password")
    parameters = {
        "user_id": caller.member_id,
        "before": account["password_hash"],
        "password_hash": await passwords.hash_password(core.password_pool, change.new_password),
    }
    async with core.db.transaction() as connection:
        if await first(connection, store.SET_BY_OWNER, parameters) is None:
            raise errors.wrong_password()
        ended = await end_sessions(connection, caller.member_id, but=caller.login)
        await audit.note(connection, caller.actor, "password_changed", caller.member_id)
    revocations.note_ended(ended)


async def orders(
    core: Core, user_id: UUID, limit: int, cursor: str | None, statuses: Sequence[str] | None = None
) -> bytes:
    """A page of an account's orders, of some statuses or all, as bytes."""
    after_time, after_id = _position(cursor)
    page = {"after_id": after_id, "after_time": after_time, "limit": limit}
    parameters = {"user_id": user_id, "statuses": list(statuses) if statuses else None, **page}
    async with core.db.connection() as connection:
        row = await (await connection.execute(store.ORDERS, parameters)).fetchone()
    assert row is not None  # an aggregate has a row
    items, last_id, last_time = row
    following = None if last_id is None else encode_cursor(last_time.isoformat(), last_id)
    return b'{"items":%s,"next_cursor":%s}' % (items.encode(), orjson.dumps(following))


def _position(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    if cursor is None:
        return None, None
    time_text, id_text = decode_cursor(cursor, 2)
    try:
        return datetime.fromisoformat(time_text), UUID(id_text)
    except ValueError:
        raise invalid_cursor() from None
