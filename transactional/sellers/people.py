"""The people of a seller: accounts tied to it, with the role that lets them act for it. An account belongs to one at most."""

from __future__ import annotations

from uuid import UUID

from transactional.accounts.administration import give_role
from transactional.platform import revocations
from transactional.platform.audit import note
from transactional.platform.core import Core
from transactional.platform.errors import not_found
from transactional.platform.query import Row, first, rows, value
from transactional.sellers import errors, store

BECOME_SELLERS = frozenset({"shopper", "seller"})
"""Roles that lose nothing by it."""


async def people(core: Core, code: str) -> list[Row]:
    """All accounts of a seller. Raises Problem 404."""
    async with core.db.connection() as connection:
        found = await rows(connection, store.PEOPLE, {"code": code})
        if not found and await first(connection, store.ONE, {"code": code}) is None:
            raise errors.seller_not_found(code)
    return found


async def tie(core: Core, actor: str, code: str, user_id: UUID) -> None:
    """An account acts for a seller from now on; with a seller that waits for approval, from then. Its sessions end, since its
    tokens name the role that it had. Twice changes nothing. Raises Problem 404, and 409 for who belongs to another seller or
    has a role of its own."""
    parameters = {"code": code, "user_id": user_id, "now": core.clock.now()}
    ended: list[UUID] = []
    async with core.db.transaction() as connection:
        account = await first(connection, store.LOCK_ACCOUNT, parameters)
        if account is None:
            raise not_found("account", user_id)
        seller = await first(connection, store.SHARE, parameters)
        if seller is None:
            raise errors.seller_not_found(code)
        if account["role"] not in BECOME_SELLERS:
            raise errors.other_role(account["role"])
        if await first(connection, store.TIE, parameters) is None:
            if await value(connection, store.TIED_TO, parameters) != code:
                raise errors.tied_already()
        else:
            await note(connection, actor, "seller_person_tied", code, user_id=str(user_id))
        if seller["status"] != "pending":
            ended = await give_role(connection, actor, user_id, "seller")
    revocations.note_ended(ended)


async def untie(core: Core, actor: str, code: str, user_id: UUID) -> None:
    """An account acts for the seller no longer: it is a shopper's, its sessions end, and what it has under way is waited for.
    Raises Problem 404."""
    parameters = {"code": code, "user_id": user_id}
    ended: list[UUID] = []
    async with core.db.transaction() as connection:
        account = await first(connection, store.LOCK_ACCOUNT, parameters)
        if account is None or await first(connection, store.UNTIE, parameters) is None:
            raise not_found("person of the seller", user_id)
        await note(connection, actor, "seller_person_untied", code, user_id=str(user_id))
        if account["role"] == "seller":
            ended = await give_role(connection, actor, user_id, "shopper")
    revocations.note_ended(ended)
