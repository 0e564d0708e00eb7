"""Deleting an account: asked for by its owner, taken back by logging in for some days, then carried out by a worker.

A worker begins by ending what could still let anybody in, and goes on when every process knows that. Then it erases in steps,
each a transaction that may be done twice; the last one deletes the account's row, and with it that there is anything to do.
So two workers at once do no harm, and a killed one is followed by the next. Leases and days of grace are real time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from lakefront.clock import iso, real_now
from transactional.accounts import deletion_store as store
from transactional.accounts import errors, letters, owner, personal
from transactional.accounts.schemas import OwnerProof
from transactional.accounts.sessions import end_sessions
from transactional.platform import audit, revocations
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.query import first, rows, value
from transactional.reviews import service as reviews

BATCH = 500
LEASE = timedelta(minutes=2)
UNTIL_ALL_KNOW = timedelta(seconds=5)
"""Workers learn within a second of ended sessions; a request that came before may still place an order."""
AGAIN = timedelta(hours=1)
"""When something that holds a deletion back is looked at anew."""
log = structlog.get_logger(__name__)


async def ask(core: Core, caller: Caller, proof: OwnerProof) -> dict[str, Any]:
    """The account will be deleted, and is logged out everywhere. Raises Problem 401, and 409 while orders are open or where
    the account is the last administrator's."""
    account = await owner.prove(core, caller, proof)
    user_id, now = account["user_id"], real_now()
    asked = {"user_id": user_id, "now": now, "due_at": now + timedelta(days=core.settings.account_deletion_grace_days)}
    async with core.db.transaction() as connection:
        if await _is_last_admin(connection, user_id, even_asked=True):
            raise errors.last_admin()
        if found := await rows(connection, store.OPEN_ORDERS, asked):
            raise errors.open_orders([row["id"] for row in found])
        due_at: datetime = await value(connection, store.ASK, asked)
        ended = await end_sessions(connection, user_id)
        await audit.note(connection, caller.actor, "deletion_asked", user_id)
    revocations.note_ended(ended)
    await letters.tell(core, user_id, account["email"], "deletion_asked", due_at=iso(due_at)[:16].replace("T", " "))
    return {"due_at": due_at}


async def carry_out_due(core: Core) -> int:
    """The next step of one deletion that is due; how many there were."""
    now = real_now()
    async with core.db.connection() as connection:
        taken = await first(connection, store.TAKE_DUE, {"now": now, "lease_until": now + LEASE})
    if taken is None:
        return 0
    await (_begin if taken["began_at"] is None else _erase)(core, taken["user_id"])
    return 1


async def _begin(core: Core, user_id: UUID) -> None:
    """From here on nobody logs in to the account, unless something holds the deletion back."""
    now = real_now()
    async with core.db.transaction() as connection:
        is_last = await _is_last_admin(connection, user_id, even_asked=False)
        deletion = await first(connection, store.LOCK, {"user_id": user_id})
        if deletion is None or deletion["began_at"] is not None:  # its owner logged in, or another worker was here
            return
        if is_last or await rows(connection, store.OPEN_ORDERS, {"user_id": user_id}):
            await _hold_back(connection, user_id, "last_admin" if is_last else "open_orders")
            return
        account = await personal.by_id(connection, user_id)
        await connection.execute(store.BEGIN, {"user_id": user_id, "now": now, "due_at": now + UNTIL_ALL_KNOW})
        ended = await end_sessions(connection, user_id)
    revocations.note_ended(ended)
    if account and account["email"]:
        await letters.tell(core, user_id, account["email"], "deletion_begun")


async def _erase(core: Core, user_id: UUID) -> None:
    """All of it: first what can be much, in batches, then the account itself."""
    async with core.db.connection() as connection:
        await connection.execute(store.ERASE_CART, {"user_id": user_id})
        if await rows(connection, store.OPEN_ORDERS, {"user_id": user_id}):
            await _hold_back(connection, user_id, "open_orders")
            return
        while await _erase_orders(connection, user_id):
            pass
    async with core.db.transaction() as connection:  # of its own: who writes a review locks the product first
        await reviews.forget_author(connection, user_id, core.clock.now())
    async with core.db.transaction() as connection:
        if await first(connection, store.LOCK, {"user_id": user_id}) is None:
            return
        # From here on no order or review of the account can come: its foreign key waits, and then finds nobody.
        await connection.execute(store.LOCK_ACCOUNT, {"user_id": user_id})
        await reviews.forget_author(connection, user_id, core.clock.now())
        if await rows(connection, store.OPEN_ORDERS, {"user_id": user_id}):
            await _hold_back(connection, user_id, "open_orders")
            return
        while await _erase_orders(connection, user_id):
            pass
        await connection.execute(store.END_CREDIT, {"user_id": user_id, "now": core.clock.now()})
        await connection.execute(store.DELETE, {"user_id": user_id})
        await audit.note(connection, "system", "account_deleted", user_id)
    log.info("account_deleted", user_id=str(user_id))


async def _erase_orders(connection: Connection, user_id: UUID) -> int:
    """A batch of those that have ended; 0 when there are no more."""
    erased: int = await value(connection, store.ERASE_ORDERS, {"user_id": user_id, "limit": BATCH})
    return erased


async def _hold_back(connection: Connection, user_id: UUID, reason: str) -> None:
    parameters = {"user_id": user_id, "reason": reason, "due_at": real_now() + AGAIN}
    await connection.execute(store.HOLD_BACK, parameters)
    log.warning("account_deletion_held_back", user_id=str(user_id), reason=reason)


async def _is_last_admin(connection: Connection, user_id: UUID, *, even_asked: bool) -> bool:
    """Whether nobody would be left to give roles; ``even_asked``: not counting those who asked to go."""
    if await value(connection, store.ROLE, {"user_id": user_id}) != "admin":
        return False
    await connection.execute(store.LOCK_ADMINS)
    others = {"user_id": user_id, "even_asked": even_asked}
    return await first(connection, store.OTHER_ADMIN, others) is None
