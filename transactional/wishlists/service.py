"""The rules of wishlists: several for an account, one of them the default, each private or shared by a link."""

from __future__ import annotations

import secrets as random
from typing import Any
from uuid import UUID

import orjson

from lakefront.ids import new_id
from transactional.carts import service as carts
from transactional.carts.service import Owner
from transactional.catalogue.variants import check_variants, own_id
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import first, value
from transactional.wishlists import store
from transactional.wishlists.schemas import NewWish, NewWishlist, WishlistChange, WishToCart

MOST_LISTS = 20
MOST_ITEMS = 200
DEFAULT_NAME = "Wishlist"


async def lists(core: Core, user_id: UUID) -> bytes:
    """The account's lists, the default first, then the newest."""
    async with core.db.connection() as connection:
        found = await value(connection, store.LIST, {"user_id": user_id})
    return b'{"items":%s}' % str(found).encode()


async def default_list(core: Core, user_id: UUID) -> bytes:
    """The list that things are put on where none is named; made at the first look."""
    async with core.db.connection() as connection:
        found = await value(connection, store.SHOW_DEFAULT, {"user_id": user_id})
        if found is None:
            await connection.execute(store.OPEN_DEFAULT, _default(core, user_id))
            found = await value(connection, store.SHOW_DEFAULT, {"user_id": user_id})
    if found is None:
        raise not_found("account", user_id)
    return str(found).encode()


async def one_list(core: Core, user_id: UUID, wishlist_id: UUID) -> bytes:
    """A list. Raises Problem 404 where the account has none such."""
    async with core.db.connection() as connection:
        return await _shown(connection, user_id, wishlist_id)


async def shared(core: Core, share_token: str) -> bytes:
    """A list as whoever has its link sees it. Raises Problem 404."""
    async with core.db.connection() as connection:
        found = await value(connection, store.SHOW_SHARED, {"share_token": share_token.replace("\x00", "")})
    if found is None:
        raise Problem(404, "wishlist_not_found", "There is no such wishlist", "The link ended, or is not complete.")
    return str(found).encode()


async def make(core: Core, user_id: UUID, new: NewWishlist) -> bytes:
    """Another list; the first one is the default. Raises Problem 409 where there are too many."""
    wishlist_id = new_id()
    parameters = {
        "user_id": user_id,
        "wishlist_id": wishlist_id,
        "name": new.name,
        "is_default": new.is_default,
        "share_token": _token() if new.shared else None,
        "now": core.clock.now(),
        "most_lists": MOST_LISTS,
    }
    async with core.db.transaction() as connection:
        if await first(connection, store.LOCK_ACCOUNT, parameters) is None:
            raise not_found("account", user_id)
        if new.is_default:
            await connection.execute(store.NO_DEFAULT, parameters)
        if await first(connection, store.MAKE, parameters) is None:
            raise Problem(409, "too_many_wishlists", f"An account has at most {MOST_LISTS} wishlists")
        return await _shown(connection, user_id, wishlist_id)


async def change(core: Core, user_id: UUID, wishlist_id: UUID, change: WishlistChange) -> bytes:
    """Rename, share or make private, make the default. Raises Problem 404, and 409 for a default that would be none."""
    parameters = {
        "user_id": user_id,
        "wishlist_id": wishlist_id,
        "name": change.name,
        "shared": change.shared,
        "is_default": bool(change.is_default),
        "share_token": _token(),
    }
    async with core.db.transaction() as connection:
        await connection.execute(store.LOCK_ACCOUNT, parameters)
        if change.is_default:
            await connection.execute(store.NO_DEFAULT, parameters)
        if await first(connection, store.CHANGE, parameters) is None:
            raise not_found("wishlist", wishlist_id)
        shown = await _shown(connection, user_id, wishlist_id)
        if change.is_default is False and orjson.loads(shown)["is_default"]:
            raise _default_stays()
        return shown


async def delete(core: Core, user_id: UUID, wishlist_id: UUID) -> None:
    """Forget a list. Raises Problem 404, and 409 for the default one."""
    parameters = {"user_id": user_id, "wishlist_id": wishlist_id}
    async with core.db.transaction() as connection:
        gone = await first(connection, store.DELETE, parameters)
        if gone is None:
            raise not_found("wishlist", wishlist_id)
        if gone["is_default"]:
            raise _default_stays()


async def add(core: Core, user_id: UUID, wish: NewWish, wishlist_id: UUID | None = None) -> bytes:
    """Put a product on a list, the default one unless another is named; once, however often. Raises UnknownVariant."""
    parameters: dict[str, Any] = _default(core, user_id) | {
        "product_id": own_id(wish.product_id, wish.variant_id),
        "item_id": new_id(),
        "wishlist_id": wishlist_id,
        "most_items": MOST_ITEMS,
    }
    async with core.db.transaction() as connection:
        await check_variants(connection, [(wish.product_id, wish.variant_id)])
        locked = await first(connection, store.OPEN_DEFAULT if wishlist_id is None else store.LOCK, parameters)
        if locked is None:
            raise not_found("wishlist", wishlist_id)
        parameters["wishlist_id"] = locked["id"]
        if await first(connection, store.ADD, parameters) is None:
            await _check_wished(connection, parameters)
        return await _shown(connection, user_id, locked["id"])


async def remove(core: Core, user_id: UUID, item_id: UUID) -> None:
    """Take a product off its list. Raises Problem 404."""
    async with core.db.connection() as connection:
        if await first(connection, store.REMOVE, {"item_id": item_id, "user_id": user_id}) is None:
            raise not_found("wish", item_id)


async def move_to_cart(core: Core, user_id: UUID, item_id: UUID, wanted: WishToCart) -> bytes:
    """The product leaves its list for the cart, in one transaction: of two at once one finds it. Raises what putting it into
    the cart raises, and Problem 404."""
    parameters = {"item_id": item_id, "user_id": user_id}
    async with core.db.transaction() as connection:
        wish = await first(connection, store.WISH, parameters)
        if wish is None:
            raise not_found("wish", item_id)
        variant_id = wish["variant_id"] or wanted.variant_id
        put = await carts.put(connection, core, Owner(user_id, None), wish["product_id"], wanted.quantity, variant_id)
        if await first(connection, store.REMOVE, parameters) is None:
            raise not_found("wish", item_id)
        return put


async def _shown(connection: Connection, user_id: UUID, wishlist_id: UUID) -> bytes:
    found = await value(connection, store.SHOW, {"user_id": user_id, "wishlist_id": wishlist_id})
    if found is None:
        raise not_found("wishlist", wishlist_id)
    return str(found).encode()


async def _check_wished(connection: Connection, parameters: dict[str, Any]) -> None:
    """Nothing was added: fine where it is there already."""
    found = await first(connection, store.FOUND, parameters)
    assert found is not None, "a statement without FROM answers a row"
    if not found["products"]:
        raise not_found("product", parameters["product_id"])
    if not found["wished"]:
        raise Problem(409, "wishlist_full", f"A wishlist holds at most {MOST_ITEMS} products")


def _default(core: Core, user_id: UUID) -> dict[str, Any]:
    return {"new_id": new_id(), "user_id": user_id, "default_name": DEFAULT_NAME, "now": core.clock.now()}


def _default_stays() -> Problem:
    return Problem(409, "default_wishlist", "An account has a default wishlist", "Make another list the default first.")


def _token() -> str:
    """128 bits: the link is the key."""
    return random.token_urlsafe(16)
