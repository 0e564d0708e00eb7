"""Another e-mail address for an account: asked for by its owner, in force once a letter to the new address is answered.

Nobody learns whether an address is taken: the answer, the letter to the present address and what is written down are the
same, and a taken address gets another letter than a free one. The address before can be had back for some days, and is nobody
else's for as long.
"""

from __future__ import annotations

import secrets as random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from psycopg.errors import UniqueViolation

from lakefront.clock import real_now
from transactional.accounts import attempts, email_change_store, errors, letters, owner, passwords, personal
from transactional.accounts.password_rules import check
from transactional.accounts.schemas import EmailChange, EmailUndo
from transactional.accounts.sessions import end_sessions, token_hash
from transactional.platform import audit, revocations
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.errors import Problem
from transactional.platform.query import Row, first

CONFIRM = timedelta(hours=24)
log = structlog.get_logger(__name__)


async def ask(core: Core, caller: Caller, change: EmailChange) -> Row:
    """The account, whose owner asks; ``send_letters`` is to follow. Raises Problem 401, 409 where it is the account's address
    already, and 429."""
    account = await owner.prove(core, caller, change)
    if account["email"] == change.email:
        raise errors.email_unchanged()
    await attempts.take_letter(core, account["user_id"])
    async with core.db.connection() as connection:
        await audit.note(connection, caller.actor, "email_change_asked", account["user_id"])
    return account


async def send_letters(core: Core, account: Row, email: str, session: UUID | None) -> None:
    """Behind the answer, whose time must not tell whether the address is taken."""
    user_id, now = account["user_id"], real_now()
    token, undo = random.token_urlsafe(32), random.token_urlsafe(32)
    new = {"email_index": personal.index_of(email), "now": now, "user_id": user_id}
    parameters = {
        **new,
        "email": personal.sealed_email(user_id, email),
        "token_hash": token_hash(token),
        "expires_at": now + CONFIRM,
        "session": session,
        **_undo(core, undo, now),
    }
    async with core.db.connection() as connection:
        found = await first(connection, email_change_store.OWNER, new)
        await connection.execute(email_change_store.ASK, parameters)
    await letters.tell(core, user_id, account["email"], "email_change_asked", token=undo)
    try:
        await attempts.take_letter_to(core, email)
    except Problem:
        log.warning("letter_not_sent", purpose="change_email", error="too many letters to one address")
        return
    if found is None or found["user_id"] == user_id:
        await letters.tell(core, user_id, email, "email_change", is_own_address=False, token=token)
    else:
        await letters.tell(core, found["user_id"], email, "email_wanted")


async def confirm(core: Core, token: str) -> None:
    """The new address is the account's, which is logged out everywhere but where it was asked for. Raises Problem 401 for a
    token that is not good, and 409 where the address has become another account's."""
    now, undo = real_now(), random.token_urlsafe(32)
    parameters = {"token_hash": token_hash(token), "now": now, **_undo(core, undo, now)}
    try:
        async with core.db.transaction() as connection:
            done = await first(connection, email_change_store.CONFIRM, parameters)
            if done is None:
                raise errors.invalid_letter_token()
            if not done["changed"]:
                raise errors.email_taken_meanwhile()
            ended = await end_sessions(connection, done["user_id"], but=done["session"])
            await audit.note(connection, done["user_id"], "email_changed", done["user_id"])
    except UniqueViolation:
        raise errors.email_taken_meanwhile() from None
    revocations.note_ended(ended)
    previous = personal.opened_email(done["user_id"], done["previous"])
    if previous:
        await letters.tell(core, done["user_id"], previous, "email_changed", token=undo)


async def undo(core: Core, request: EmailUndo) -> None:
    """The account has the address that the letter went to, and a new password; it is logged out everywhere. Raises Problem
    401 for a token that is not good, 409 where the address is another account's by now, and 422 for a weak password."""
    parameters = {"token_hash": token_hash(request.token), "now": real_now()}
    async with core.db.connection() as connection:
        account = await first(connection, email_change_store.ACCOUNT_OF_UNDO, parameters)
    if account is None:
        raise errors.invalid_letter_token()
    user_id = account["user_id"]
    email = personal.opened_email(user_id, account["email"])
    check(request.new_password, email, "new_password")
    hashed = {"password_hash": await passwords.hash_password(core.password_pool, request.new_password)}
    try:
        async with core.db.transaction() as connection:
            if (
                await first(connection, email_change_store.UNDO, parameters | hashed) is None
            ):  # somebody used it meanwhile
                raise errors.invalid_letter_token()
            ended = await end_sessions(connection, user_id)
            await audit.note(connection, user_id, "email_change_undone", user_id)
    except UniqueViolation:
        raise errors.email_taken_meanwhile() from None
    revocations.note_ended(ended)
    await attempts.succeeded(core, email, {})


def _undo(core: Core, token: str, now: datetime) -> dict[str, Any]:
    ends_at = now + timedelta(days=core.settings.email_change_undo_days)
    return {"undo_hash": token_hash(token), "undo_ends_at": ends_at}
