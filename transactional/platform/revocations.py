"""Sessions that were ended before their access tokens: every worker asks PostgreSQL for them once a second.

An access token is good without asking anybody, so an ended session's must be known by name. Only as many are kept as can
still have a token: those ended within a token's lifetime.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from lakefront.clock import real_now
from lakefront.settings import settings
from transactional.platform.database import Database
from transactional.platform.query import rows

_POLL_SECONDS = 1.0
_OVERLAP = timedelta(seconds=30)
"""A transaction may commit so long after the moment that it writes."""
_ENDED = "SELECT id FROM sessions WHERE revoked_at > %(since)s"
_ended: dict[UUID, float] = {}
log = structlog.get_logger(__name__)


def is_ended(session: UUID | None) -> bool:
    """True when a session was ended; None is a token that belongs to none."""
    return session in _ended


def note_ended(sessions: Iterable[UUID]) -> None:
    """This worker knows at once; the others within a second."""
    forget_at = time.time() + settings().access_token_minutes * 60
    for session in sessions:
        _ended.setdefault(session, forget_at)


async def load(db: Database, since: timedelta | None = None) -> None:
    """Take over what was ended lately; by default, whatever can still have a token."""
    lifetime = timedelta(minutes=settings().access_token_minutes)
    async with db.connection() as connection:
        found = await rows(connection, _ENDED, {"since": real_now() - (since or lifetime + _OVERLAP)})
    note_ended(row["id"] for row in found)
    now = time.time()
    for session in [session for session, forget_at in _ended.items() if forget_at <= now]:
        del _ended[session]


async def follow(db: Database) -> None:
    """Ask until cancelled. While PostgreSQL is away nobody can end a session either; what was missed is caught up."""
    since: timedelta | None = None
    while True:
        try:
            await load(db, since)
            since = _OVERLAP
        except (psycopg.Error, PoolTimeout) as error:
            since = None
            log.warning("ended_sessions_not_read", error=str(error))
        await asyncio.sleep(_POLL_SECONDS)
