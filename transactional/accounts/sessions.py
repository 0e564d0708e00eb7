"""Logins: each is a session with a family of refresh tokens that are good once, listed and ended by its account."""

from __future__ import annotations

import hashlib
import secrets as random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.accounts import errors, personal, store
from transactional.accounts.schemas import Tokens
from transactional.platform import revocations
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import not_found
from transactional.platform.query import Row, first, rows
from transactional.platform.tokens import Identity, sign

_MOST_AGENT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class NewSession:
    """A login about to be written down, and the only copy of its refresh token."""

    id: UUID
    refresh_token: str
    user_agent: str
    now: datetime
    expires_at: datetime

    @classmethod
    def begin(cls, core: Core, user_agent: str | None) -> NewSession:
        now = real_now()
        ends = now + timedelta(days=core.settings.refresh_token_days)
        agent = (user_agent or "").replace("\x00", "")[:_MOST_AGENT_CHARACTERS]
        return cls(new_id(), random.token_urlsafe(32), agent, now, ends)

    @property
    def parameters(self) -> dict[str, Any]:
        """For the statements that open a session."""
        return {
            "session": self.id,
            "token_hash": token_hash(self.refresh_token),
            "user_agent": self.user_agent,
            "real_now": self.now,
            "expires_at": self.expires_at,
            "audit_id": new_id(),
        }


def token_hash(token: str) -> bytes:
    """What is kept of a token: they are random, so a plain hash makes a stolen table worthless."""
    return hashlib.sha256(token.encode()).digest()


async def open_session(core: Core, account: Row, user_agent: str | None, client_id: str | None = None) -> Tokens:
    """Log an account in, once it has shown who it is. Raises Problem 401 where the account is being deleted."""
    session = NewSession.begin(core, user_agent)
    parameters = {"user_id": account["user_id"], **session.parameters, "client_id": client_id}
    async with core.db.connection() as connection:  # one statement, which commits by itself
        done = await first(connection, store.OPEN_SESSION, parameters)
    if done is None or not done["opened"]:
        raise errors.invalid_credentials()
    tokens = tokens_of(core, account, session.id, session.refresh_token)
    return tokens.model_copy(update={"deletion_cancelled": done["deletion_cancelled"]})


async def refresh(core: Core, refresh_token: str, client_id: str | None = None) -> Tokens:
    """New tokens for a refresh token, which is good once, and for the client that got it: its second use ends the session."""
    now, fresh = real_now(), random.token_urlsafe(32)
    parameters = {
        "token_hash": token_hash(refresh_token),
        "fresh_hash": token_hash(fresh),
        "client_id": client_id,
        "now": now,
        "expires_at": now + timedelta(days=core.settings.refresh_token_days),
    }
    async with core.db.connection() as connection:
        used = await first(connection, store.USE_REFRESH, parameters)
        if used is None:
            reused = await first(connection, store.END_SESSION_OF_USED, parameters)
            if reused is None:
                raise errors.invalid_refresh_token()
            revocations.note_ended([reused["family"]])
            raise errors.refresh_token_reused()
        account = await personal.by_id(connection, used["user_id"])
    if account is None:  # the person was forgotten meanwhile
        raise errors.invalid_refresh_token()
    return tokens_of(core, account, used["family"], fresh)


async def sessions(core: Core, user_id: UUID, current: UUID | None) -> list[Row]:
    """The account's open sessions, the last used first."""
    async with core.db.connection() as connection:
        found = await rows(connection, store.SESSIONS, {"user_id": user_id, "now": real_now()})
    return [session | {"current": session["session_id"] == current} for session in found]


async def end_session(core: Core, user_id: UUID, session: UUID) -> None:
    """Log one session out. Raises Problem 404 where the account has no such session open."""
    async with core.db.connection() as connection:
        ended = await end_sessions(connection, user_id, only=session)
    if not ended:
        raise not_found("session", session)
    revocations.note_ended(ended)


async def end_all(core: Core, user_id: UUID, *, but: UUID | None = None) -> None:
    """Log all sessions out, or all but one."""
    async with core.db.connection() as connection:
        ended = await end_sessions(connection, user_id, but=but)
    revocations.note_ended(ended)


async def end_sessions(
    connection: Connection, user_id: UUID, *, only: UUID | None = None, but: UUID | None = None
) -> list[UUID]:
    """End an account's sessions in the caller's transaction, and say which; tell ``revocations`` after its commit."""
    parameters = {"user_id": user_id, "only": only, "but": but, "now": real_now()}
    return [row["id"] for row in await rows(connection, store.END_SESSIONS, parameters)]


def tokens_of(core: Core, account: Row, session: UUID, refresh_token: str) -> Tokens:
    """What the client gets."""
    seconds = core.settings.access_token_minutes * 60
    identity = Identity(
        user_id=account["user_id"],
        user=account["pseudonym"],
        role=account["role"],
        email_domain=account["email"].rpartition("@")[2],
        country=account["country"],
        account_created_at=account["created_at"],
        is_simulated=account["is_simulated"],
        expires_at=time.time() + seconds,
        session=session,
    )
    return Tokens(
        user_id=account["user_id"], access_token=sign(identity), refresh_token=refresh_token, expires_in=seconds
    )
