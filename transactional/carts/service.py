"""The rules of carts: whose it is, what fits in, and how a guest's becomes an account's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lakefront.ids import new_id
from transactional.carts import store
from transactional.carts.schemas import MOST_ITEMS, MOST_UNITS
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import first

EMPTY = b'{"cart_id":null,"currency":null,"total":"0.00","items":[]}'


@dataclass(frozen=True, slots=True)
class Owner:
    """An account, or a guest's session."""

    user_id: UUID | None
    session: str | None

    @property
    def parameters(self) -> dict[str, Any]:
        return {"user_id": self.user_id, "session": self.session}


def owner_of(caller: Caller) -> Owner:
    """Whose cart a caller means. Raises Problem 400 for a guest without a session."""
    if caller.user_id is not None:
        return Owner(caller.user_id, None)
    if caller.session is None:
        raise Problem(400, "session_required", "Log in, or send X-Session-Id", "A guest's cart hangs on the session.")
    return Owner(None, caller.session)


async def cart(core: Core, owner: Owner) -> bytes:
    """The cart with prices in force, as bytes."""
    async with core.db.connection() as connection:
        return await _rendered(connection, owner)


async def add_item(core: Core, owner: Owner, product_id: UUID, quantity: int) -> bytes:
    """Put a product into the cart, or more of it."""
    parameters = owner.parameters | {
        "product_id": product_id,
        "quantity": quantity,
        "cart_id": new_id(),
        "item_id": new_id(),
        "now": core.clock.now(),
        "most": MOST_UNITS,
    }
    statement = store.ADD_TO_ACCOUNT if owner.user_id else store.ADD_TO_SESSION
    async with core.db.transaction() as connection:
        counted = await first(connection, store.COUNT_ITEMS, parameters)
        if counted is not None and counted["items"] >= MOST_ITEMS:
            raise Problem(409, "cart_full", f"A cart holds at most {MOST_ITEMS} different products")
        if await first(connection, statement, parameters) is None:
            raise await _why_not_added(connection, parameters)
        return await _rendered(connection, owner)


async def _why_not_added(connection: Connection, parameters: dict[str, Any]) -> Problem:
    found = await first(connection, store.WHY_NOT_ADDED, parameters)
    if found is None:
        return not_found("product", parameters["product_id"])
    if found["status"] != "active":
        return Problem(409, "product_not_for_sale", "This product is not for sale now")
    if found["cart_currency"] not in (None, found["currency"]):
        detail = f"The cart is in {found['cart_currency']}, the product in {found['currency']}."
        return Problem(409, "other_currency", "A cart holds products of one currency", detail)
    return Problem(409, "too_many", f"A cart holds at most {MOST_UNITS} of a product")


async def change_item(core: Core, owner: Owner, item_id: UUID, quantity: int) -> bytes:
    """Set how many of a product the cart holds."""
    parameters = owner.parameters | {"item_id": item_id, "quantity": quantity, "now": core.clock.now()}
    return await _changed(core, owner, store.CHANGE_QUANTITY, parameters)


async def remove_item(core: Core, owner: Owner, item_id: UUID) -> bytes:
    """Take a product out of the cart."""
    parameters = owner.parameters | {"item_id": item_id, "now": core.clock.now()}
    return await _changed(core, owner, store.REMOVE, parameters)


async def _changed(core: Core, owner: Owner, statement: str, parameters: dict[str, Any]) -> bytes:
    async with core.db.connection() as connection:  # one statement, which commits by itself
        if await first(connection, statement, parameters) is None:
            raise not_found("cart item", parameters["item_id"])
        return await _rendered(connection, owner)


async def adopt(core: Core, user_id: UUID, session: str) -> None:
    """A guest logged in: the session's cart joins the account's."""
    parameters = {
        "user_id": user_id,
        "session": session,
        "cart_id": new_id(),
        "now": core.clock.now(),
        "most": MOST_UNITS,
    }
    async with core.db.connection() as connection:
        await connection.execute(store.ADOPT, parameters)


async def _rendered(connection: Connection, owner: Owner) -> bytes:
    row = await (await connection.execute(store.CART, owner.parameters)).fetchone()
    return EMPTY if row is None else str(row[0]).encode()
