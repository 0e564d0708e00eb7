"""The rules of carts: whose it is, what fits in, and how a guest's becomes an account's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from lakefront.ids import new_id
from transactional.carts import store
from transactional.carts.merging import merged
from transactional.carts.schemas import MOST_ITEMS, MOST_UNITS
from transactional.catalogue.variants import check_variants, own_id, require_variants
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import first, rows

EMPTY = b'{"cart_id":null,"currency":null,"total":"0.00","items":[],"saved_for_later":[],"expires_at":null}'
SOFT_RESERVATION = timedelta(minutes=15)
"""For so long others are shown what a cart took as not available."""
CART_LIFETIME = timedelta(days=7)
"""A cart that nobody has changed for so long is taken away."""


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
        return await _rendered(connection, core, owner)


async def add_item(core: Core, owner: Owner, product_id: UUID, quantity: int, variant_id: UUID | None = None) -> bytes:
    """Put a product into the cart, or more of it; it is held softly for a while. Raises UnknownVariant, VariantRequired."""
    async with core.db.transaction() as connection:
        return await put(connection, core, owner, product_id, quantity, variant_id)


async def put(
    connection: Connection, core: Core, owner: Owner, product_id: UUID, quantity: int, variant_id: UUID | None = None
) -> bytes:
    """As ``add_item``, in the caller's transaction, which holds the cart from here on."""
    sold = {"product_id": own_id(product_id, variant_id), "quantity": quantity, "item_id": new_id()}
    parameters = _parameters(core, owner) | sold
    await check_variants(connection, [(product_id, variant_id)])
    parameters["cart_id"] = await _open(connection, owner, parameters)
    if await first(connection, store.ADD, parameters) is None:
        raise await _why_not_added(connection, parameters)
    return await _rendered(connection, core, owner)


def _parameters(core: Core, owner: Owner) -> dict[str, Any]:
    now = core.clock.now()
    limits = {"most": MOST_UNITS, "most_items": MOST_ITEMS}
    return owner.parameters | limits | {"now": now, "held_until": now + SOFT_RESERVATION}


async def _open(connection: Connection, owner: Owner, parameters: dict[str, Any]) -> UUID:
    """The owner's cart, locked; made where there is none."""
    statement = store.OPEN_OF_ACCOUNT if owner.user_id else store.OPEN_OF_SESSION
    opened = await first(connection, statement, parameters | {"cart_id": new_id()})
    assert opened is not None, "an upsert answers its row"
    cart_id: UUID = opened["id"]
    return cart_id


async def _why_not_added(connection: Connection, parameters: dict[str, Any]) -> Problem:
    found = await first(connection, store.WHY_NOT_ADDED, parameters)
    if found is None:
        return not_found("product", parameters["product_id"])
    await require_variants(connection, [parameters["product_id"]])
    if found["status"] != "active":
        return Problem(409, "product_not_for_sale", "This product is not for sale now")
    if found["cart_currency"] not in (None, found["currency"]):
        detail = f"The cart is in {found['cart_currency']}, the product in {found['currency']}."
        return Problem(409, "other_currency", "A cart holds products of one currency", detail)
    if found["items"] >= MOST_ITEMS:
        return Problem(409, "cart_full", f"A cart holds at most {MOST_ITEMS} different products")
    return Problem(409, "too_many", f"A cart holds at most {MOST_UNITS} of a product")


async def change_item(core: Core, owner: Owner, item_id: UUID, quantity: int) -> bytes:
    """Set how many of a product the cart holds; they are held softly anew."""
    return await _changed(core, owner, item_id, store.CHANGE_QUANTITY, {"quantity": quantity})


async def remove_item(core: Core, owner: Owner, item_id: UUID) -> bytes:
    """Take a product out of the cart."""
    return await _changed(core, owner, item_id, store.REMOVE, {})


async def save_for_later(core: Core, owner: Owner, item_id: UUID) -> bytes:
    """Put a product aside: it is neither held nor ordered any more."""
    return await _changed(core, owner, item_id, store.SAVE_FOR_LATER, {})


async def move_to_cart(core: Core, owner: Owner, item_id: UUID) -> bytes:
    """Put a saved product back into the cart."""
    return await _changed(core, owner, item_id, store.MOVE_TO_CART, {})


async def _changed(core: Core, owner: Owner, item_id: UUID, statement: str, change: dict[str, Any]) -> bytes:
    parameters = _parameters(core, owner) | {"item_id": item_id} | change
    async with core.db.transaction() as connection:
        cart = await first(connection, store.LOCK_OF_ITEM, parameters)
        if cart is None:
            raise not_found("cart item", item_id)
        parameters["cart_id"] = cart["id"]
        if await first(connection, statement, parameters) is None:
            raise await _why_not_changed(connection, statement, parameters)
        return await _rendered(connection, core, owner)


async def _why_not_changed(connection: Connection, statement: str, parameters: dict[str, Any]) -> Problem:
    item = await first(connection, store.PRODUCT_OF_ITEM, parameters)
    if item is None:  # another request took it out while this one waited for the cart
        return not_found("cart item", parameters["item_id"])
    if statement is store.SAVE_FOR_LATER:
        return Problem(409, "too_many_saved", f"At most {MOST_ITEMS} products can be saved for later")
    return await _why_not_added(connection, parameters | item)


async def adopt(core: Core, user_id: UUID, session: str) -> None:
    """A guest logged in: the session's cart joins the account's. Of two tabs that log in at once, one finds it."""
    owner = Owner(user_id, None)
    async with core.db.transaction() as connection:
        guest = await first(connection, store.LOCK_GUEST, {"session": session})
        if guest is None:
            return
        parameters = _parameters(core, owner)
        cart_id = await _open(connection, owner, parameters)
        plan = merged(
            await rows(connection, store.LINES, {"cart_id": cart_id}),
            await rows(connection, store.LINES, {"cart_id": guest["id"]}),
        )
        await connection.execute(
            store.MERGE,
            parameters
            | {
                "cart_id": cart_id,
                "item_ids": list(plan.lines),
                "quantities": [quantity for quantity, _ in plan.lines.values()],
                "saved": [saved for _, saved in plan.lines.values()],
                "absorbed": plan.absorbed,
            },
        )
        await connection.execute(store.DELETE_CART, {"cart_id": guest["id"]})


async def expire_carts(core: Core, limit: int = 200) -> int:
    """Take away carts that nobody has changed for a week. Any number of workers may do so at once."""
    now = core.clock.now()
    async with core.db.connection() as connection:  # one statement, which commits by itself
        done = await first(connection, store.EXPIRE, {"before": now - CART_LIFETIME, "now": now, "limit": limit})
    return int(done["expired"]) if done else 0


async def _rendered(connection: Connection, core: Core, owner: Owner) -> bytes:
    parameters = owner.parameters | {"now": core.clock.now(), "lifetime": CART_LIFETIME}
    row = await (await connection.execute(store.CART, parameters)).fetchone()
    return EMPTY if row is None else str(row[0]).encode()
