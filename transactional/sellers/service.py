"""The rules of sellers: who applies, who approves and suspends, and what everybody and a seller's own people see."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from transactional.accounts.administration import give_role
from transactional.catalogue.finding import Search, found_listings
from transactional.platform import revocations
from transactional.platform.audit import note
from transactional.platform.authentication import Caller
from transactional.platform.cache import Rendered, RenderedCache
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.outbox import tell
from transactional.platform.query import Row, first, rows, value
from transactional.sellers import errors, store
from transactional.sellers.events import changed
from transactional.sellers.people import BECOME_SELLERS
from transactional.sellers.schemas import NewSeller, SellerChange, StatusChange

RESERVED = frozenset({"me"})
"""Codes that addresses of the API mean something else by."""
shown = RenderedCache("seller", all_by=("listing",))


async def apply(core: Core, user_id: UUID, new: NewSeller) -> Row:
    """Somebody wants to sell: the seller waits for approval, and the account is tied to it. Raises Problem 403 without a
    verified e-mail address, 409 where the code is taken, the account belongs to a seller or has a role of its own."""
    now = core.clock.now()
    parameters = {"user_id": user_id, "now": now, **new.model_dump()}
    async with core.db.transaction() as connection:
        account = await first(connection, store.LOCK_ACCOUNT, parameters)
        if account is None:
            raise not_found("account", user_id)
        if account["email_verified_at"] is None:
            raise errors.not_verified()
        if account["role"] not in BECOME_SELLERS:
            raise errors.other_role(account["role"])
        if await value(connection, store.TIED_TO, parameters) is not None:
            raise errors.tied_already()
        made = None if new.code in RESERVED else await first(connection, store.APPLY, parameters)
        if made is None:
            raise errors.code_taken(new.code)
        await connection.execute(store.TIE, parameters)
        await tell(connection, [changed(made, None, now)])
        await note(connection, user_id, "seller_applied", new.code)
    return made


async def change(core: Core, actor: str, code: str, change: SellerChange) -> Row:
    """Another display name. Raises Problem 404 and 409."""
    async with core.db.transaction() as connection:
        before = await _locked(connection, code, change.version)
        if before["display_name"] == change.display_name:
            return before
        after = await _change(core, connection, before, change.display_name, None)
        names = {"from": before["display_name"], "to": after["display_name"]}
        await note(connection, actor, "seller_renamed", code, display_name=names)
    shown.clear()
    return after


async def change_status(core: Core, actor: str, code: str, change: StatusChange) -> Row:
    """Approve, suspend or reinstate. The people of a seller that is approved become sellers, which ends their sessions; a
    worker takes its products out of the shop, or brings them back. Raises Problem 404 and 409."""
    ended: list[UUID] = []
    async with core.db.transaction() as connection:
        await connection.execute(store.LOCK_ACCOUNTS, {"code": code})
        before = await _locked(connection, code, change.version)
        if before["status"] == change.status:
            return before
        if before["status"] == "pending":
            if change.status != "active":
                raise Problem(409, "not_approved", "The seller was never approved", "DELETE refuses an application.")
            for person in await rows(connection, store.PEOPLE, {"code": code}):
                ended += await give_role(connection, actor, person["user_id"], "seller")
        after = await _change(core, connection, before, None, change.status)
        await note(connection, actor, "seller_status_changed", code, before=before["status"], after=after["status"])
    revocations.note_ended(ended)
    shown.clear()
    return after


async def refuse(core: Core, actor: str, code: str) -> None:
    """An application is refused: the code is free again, and who applied belongs to no seller. Raises Problem 404, and 409 for
    a seller that was approved, or of which there are products."""
    async with core.db.transaction() as connection:
        people = await rows(connection, store.UNTIE_ALL, {"code": code})
        found = await first(connection, store.LOCK_TO_REMOVE, {"code": code})
        if found is None:
            raise errors.seller_not_found(code)
        if found["status"] != "pending":
            raise Problem(409, "seller_approved", "The seller was approved", "Suspend it instead.")
        if await value(connection, store.HAS_PRODUCTS, {"code": code}):
            raise Problem(409, "seller_has_products", "There are products of this seller", "Approve or leave it.")
        await connection.execute(store.REMOVE, {"code": code})
        applied = [str(person["user_id"]) for person in people]
        await note(connection, actor, "seller_refused", code, people=applied)


async def one(core: Core, code: str) -> Row:
    """A seller as who manages sellers sees it. Raises Problem 404."""
    async with core.db.connection() as connection:
        found = await first(connection, store.ONE, {"code": code})
    if found is None:
        raise errors.seller_not_found(code)
    return found


async def sellers(core: Core, status: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of sellers, by code."""
    (after,) = decode_cursor(cursor, 1) if cursor else ("",)
    parameters = {"status": status, "after": after.replace("\x00", ""), "limit": limit + 1}
    async with core.db.connection() as connection:
        found = await rows(connection, store.LIST, parameters)
    more = len(found) > limit
    return {"items": found[:limit], "next_cursor": encode_cursor(found[limit - 1]["code"]) if more else None}


async def own(core: Core, user_id: UUID) -> Row:
    """The seller that an account belongs to, also one that waits for approval. Raises Problem 404."""
    async with core.db.connection() as connection:
        found = await first(connection, store.OWN, {"user_id": user_id})
    if found is None:
        raise Problem(404, "seller_not_found", "The account belongs to no seller")
    return found


async def own_products(core: Core, caller: Caller, status: str | None, limit: int, cursor: str | None) -> bytes:
    """A page of the products of the caller's seller, whatever their status. Raises NoSeller, Problem 422."""
    async with core.db.connection() as connection:
        seller = await first(connection, store.OWN, {"user_id": caller.user_id})
    if seller is None:
        raise errors.NoSeller()
    return await found_listings(core, Search(seller=seller["code"], status=status), limit, cursor)


async def public(core: Core, code: str) -> Rendered:
    """A seller as everybody sees it, as bytes. Raises Problem 404 for one that does not sell now."""

    async def render() -> bytes:
        async with core.db.connection() as connection:
            found = await value(connection, store.SHOWN, {"code": code})
        if found is None:
            raise errors.seller_not_found(code)
        return str(found).encode()

    return await shown.get(code, render)


async def _locked(connection: Connection, code: str, version: int | None) -> Row:
    found = await first(connection, store.LOCK, {"code": code})
    if found is None:
        raise errors.seller_not_found(code)
    if version is not None and version != found["version"]:
        raise errors.SellerVersionConflict(code, found["version"])
    return found


async def _change(core: Core, connection: Connection, before: Row, name: str | None, status: str | None) -> Row:
    parameters = {"code": before["code"], "display_name": name, "status": status}
    after = await first(connection, store.CHANGE, parameters)
    assert after is not None, "the row is locked"
    await tell(connection, [changed(after, before["status"], core.clock.now())])
    return after
