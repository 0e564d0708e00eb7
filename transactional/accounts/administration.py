"""What administrators and support do: find accounts, give them their roles, and read the audit log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from transactional.accounts import personal, store
from transactional.accounts.sessions import end_sessions
from transactional.platform import audit, revocations
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import Row, first, rows


async def find(core: Core, caller: Caller, email: str) -> Row:
    """The account of an e-mail address, in whatever case it is written; that it was looked up is noted. Raises Problem 404."""
    async with core.db.transaction() as connection:
        account = await personal.by_email(connection, email)
        if account is None:
            raise Problem(404, "account_not_found", "There is no such account", "No account has this e-mail address.")
        await audit.note(connection, caller.actor, "account_found", account["user_id"])
    return account


async def change_role(core: Core, caller: Caller, user_id: UUID, role: str) -> None:
    """Give an account another role. Its sessions end, since its tokens name the role that it had. Raises Problem 404, and
    409 for one's own: the last administrator must not lock themselves out."""
    if caller.user_id == user_id:
        raise Problem(409, "own_role", "Nobody changes their own role", "Ask another administrator.")
    async with core.db.transaction() as connection:
        ended = await give_role(connection, caller.actor, user_id, role)
    revocations.note_ended(ended)


async def give_role(connection: Connection, actor: str, user_id: UUID, role: str) -> list[UUID]:
    """As ``change_role``, in the caller's transaction; says which sessions end: tell ``revocations`` after its commit."""
    changed = await first(connection, store.CHANGE_ROLE, {"user_id": user_id, "role": role})
    if changed is None:
        raise not_found("account", user_id)
    if changed["before"] == role:
        return []
    await audit.note(connection, actor, "role_changed", user_id, before=changed["before"], after=role)
    return await end_sessions(connection, user_id)


async def audit_log(core: Core, subject: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of the log, newest first."""
    before = None
    if cursor is not None:
        try:
            before = UUID(decode_cursor(cursor, 1)[0])
        except ValueError:
            raise invalid_cursor() from None
    parameters = {"subject": subject, "before": before, "limit": limit + 1}
    async with core.db.connection() as connection:
        found = await rows(connection, store.AUDIT_LOG, parameters)
    more = len(found) > limit
    return {"items": found[:limit], "next_cursor": encode_cursor(str(found[limit - 1]["entry_id"])) if more else None}
