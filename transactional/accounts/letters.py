"""Tokens that are sent to a person: to verify an e-mail address, and to set a new password. Single use, hashed, soon over."""

from __future__ import annotations

import secrets as random
from datetime import timedelta
from typing import Literal
from uuid import UUID

import structlog

from lakefront.clock import real_now
from transactional.accounts import attempts, errors, passwords, personal, store
from transactional.accounts.password_rules import check
from transactional.accounts.sessions import end_sessions, token_hash
from transactional.platform import audit, revocations
from transactional.platform.core import Core
from transactional.platform.errors import Problem
from transactional.platform.messaging import Message, messenger_of
from transactional.platform.query import first

Purpose = Literal["verify_email", "reset_password"]
_LIFETIME: dict[Purpose, timedelta] = {"verify_email": timedelta(hours=24), "reset_password": timedelta(minutes=30)}
_SUBJECT: dict[Purpose, str] = {"verify_email": "Is this your address?", "reset_password": "Set a new password"}
_BODY: dict[Purpose, str] = {
    "verify_email": "Somebody opened a Lakefront account with this address. If it was you, confirm with this token:\n{token}",
    "reset_password": "Somebody, you we hope, asked for a new password. If not, ignore this. The token is:\n{token}",
}
News = Literal[
    "openid_linked",
    "password_reset",
    "second_factor_set",
    "second_factor_removed",
    "email_change",
    "email_change_asked",
    "email_changed",
    "email_wanted",
    "deletion_asked",
    "deletion_begun",
]
_NEWS: dict[News, tuple[str, str]] = {
    "openid_linked": (
        "Another way into your account",
        "Your Lakefront account can be signed in to through the OpenID provider now. If it was not you who linked it, set a "
        "new password and unlink it.",
    ),
    "password_reset": (
        "Your password was set anew",
        "Your Lakefront account has a new password, set by the token of a letter to this address, and was logged out "
        "everywhere. If it was not you, somebody else reads your letters: see to that first, then set a new password.",
    ),
    "second_factor_set": (
        "Your account has a second factor",
        "Logging in to your Lakefront account needs a code besides the password from now on. If it was not you who set that "
        "up, set a new password and tell us.",
    ),
    "second_factor_removed": (
        "Your account has no second factor any more",
        "Your Lakefront account is logged in to by its password alone again. If it was not you who did that, set a new "
        "password and a second factor.",
    ),
    "email_change": (
        "Is this your new address?",
        "Somebody wants this address for their Lakefront account. If it was you, confirm with this token:\n{token}",
    ),
    "email_change_asked": (
        "Another address for your account",
        "Somebody asked that your Lakefront account gets another e-mail address, with your password. If it was not you, this "
        "token stops it, also later, and lets you set a new password:\n{token}",
    ),
    "email_changed": (
        "Your account has another address",
        "Your Lakefront account has another e-mail address now, and this is the last letter to this one. If it was not you, "
        "this token gives it back for some days, and lets you set a new password:\n{token}",
    ),
    "email_wanted": (
        "Your address was asked for",
        "Somebody wants this address for another Lakefront account. You have one with it, so nothing was changed. If it was "
        "you, log in to the one that you have.",
    ),
    "deletion_asked": (
        "Your account will be deleted",
        "Your Lakefront account will be deleted after {due_at} UTC. If it was not you who asked for it, or you want to stay, "
        "log in before: that keeps it.",
    ),
    "deletion_begun": (
        "Your account is being deleted",
        "Your Lakefront account is being deleted now, as you asked. This is the last letter.",
    ),
}
log = structlog.get_logger(__name__)


async def ask_to_verify(core: Core, user_id: UUID, email: str) -> None:
    """Send the letter of a new account. Runs behind the answer: the account is there whether or not it can be sent."""
    try:
        await _send(core, "verify_email", user_id, email)
    except OSError as error:
        log.warning("letter_not_sent", purpose="verify_email", error=str(error))


async def ask_again_to_verify(core: Core, user_id: UUID) -> None:
    """Send it once more; the token before is good no longer. Raises Problem 429 after too many."""
    async with core.db.connection() as connection:
        account = await personal.by_id(connection, user_id)
    if account is not None and account["email_verified_at"] is None:
        await attempts.take_letter(core, user_id)
        await _send(core, "verify_email", user_id, account["email"])


async def offer_reset(core: Core, email: str) -> None:
    """Send a reset token, if there is such an account. Runs behind the answer, whose time must not tell whether there is."""
    async with core.db.connection() as connection:
        account = await personal.by_email(connection, email)
    if account is None or not (account["password_hash"] or account["has_identity"]):
        return
    try:
        await attempts.take_letter(core, account["user_id"])
        await _send(core, "reset_password", account["user_id"], account["email"])
    except (OSError, Problem) as error:
        log.warning("letter_not_sent", purpose="reset_password", error=str(error))


async def verify_email(core: Core, token: str) -> None:
    """The address is the account's. Raises Problem 401 for a token that is not good, or not any more."""
    async with core.db.connection() as connection:
        done = await first(connection, store.VERIFY_EMAIL, {"token_hash": token_hash(token), "now": real_now()})
    if done is None:
        raise errors.invalid_letter_token()


async def reset_password(core: Core, token: str, password: str) -> None:
    """Set a new password and log out everywhere. Raises Problem 401 for a token that is not good, 422 for a weak password."""
    parameters = {"token_hash": token_hash(token), "now": real_now()}
    async with core.db.connection() as connection:
        account = await first(connection, store.ACCOUNT_OF_RESET_LETTER, parameters)
    if account is None:
        raise errors.invalid_letter_token()
    email = personal.opened_email(account["user_id"], account["email"])
    check(password, email, "new_password")
    password_hash = await passwords.hash_password(core.password_pool, password)
    async with core.db.transaction() as connection:
        done = await first(connection, store.SET_BY_LETTER, parameters | {"password_hash": password_hash})
        if done is None:  # somebody used it meanwhile
            raise errors.invalid_letter_token()
        ended = await end_sessions(connection, account["user_id"])
        await audit.note(connection, account["user_id"], "password_reset", account["user_id"])
    revocations.note_ended(ended)
    await attempts.succeeded(core, email, {})
    await tell(core, account["user_id"], email, "password_reset")


async def tell(
    core: Core, user_id: UUID, email: str, news: News, *, is_own_address: bool = True, **fields: str
) -> None:
    """Tell an account's owner what was done to it; it was done whether or not the letter can be sent."""
    subject, body = _NEWS[news]
    message = Message(user_id, "email", email, body.format(**fields), subject, is_own_address)
    try:
        await messenger_of(core).send(message)
    except OSError as error:
        log.warning("letter_not_sent", purpose=news, error=str(error))


async def _send(core: Core, purpose: Purpose, user_id: UUID, email: str) -> None:
    token = random.token_urlsafe(32)
    parameters = {
        "token_hash": token_hash(token),
        "user_id": user_id,
        "purpose": purpose,
        "expires_at": real_now() + _LIFETIME[purpose],
    }
    async with core.db.connection() as connection:
        await connection.execute(store.ISSUE_LETTER, parameters)
    message = Message(user_id, "email", email, _BODY[purpose].format(token=token), _SUBJECT[purpose])
    await messenger_of(core).send(message)
