"""The rules of stock: receipts, counts, hard reservations, their release and their expiry. Warehouses and reorder levels stand
in ``warehouses.py``.

Functions that take a connection work inside the caller's transaction; the others begin and end their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from lakefront.ids import new_id
from transactional.catalogue.variants import check_variants, own_id, require_variants
from transactional.inventory import store
from transactional.inventory.allocation import best
from transactional.inventory.errors import OutOfStock, UnknownProducts
from transactional.inventory.events import Reason, stock_changed
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.outbox import tell
from transactional.platform.permissions import Permission
from transactional.platform.query import rows
from transactional.sellers.access import Editor, editor

HARD_RESERVATION = timedelta(minutes=5)
TAKE_ATTEMPTS = 8
"""A warehouse that was best when read may be empty when its stock is taken; each attempt reads anew."""


async def stock_of(
    core: Core, product_id: UUID, user_id: UUID | None = None, session: str | None = None
) -> dict[str, Any]:
    """Units of a product, in total and by warehouse, and how many of them a shopper is offered: others' carts count."""
    shopper = {"user_id": user_id, "session": session, "now": core.clock.now()}
    async with core.db.connection() as connection:
        found = await rows(connection, store.STOCK_OF_PRODUCT, {"product_id": product_id})
        if not found and not await rows(connection, store.PRODUCT_EXISTS, {"product_id": product_id}):
            raise not_found("product", product_id)
        (carts,) = await rows(connection, store.IN_OTHER_CARTS, {"product_id": product_id, **shopper})
    available = sum(row["available"] for row in found)
    return {
        "product_id": product_id,
        "available": available,
        "reserved": sum(row["reserved"] for row in found),
        "in_carts": carts["quantity"],
        "offered": max(available - carts["quantity"], 0),
        "items": found,
    }


async def receive(
    connection: Connection,
    receipts: Iterable[tuple[UUID, str, str, int]],
    now: datetime,
    reason: Reason = "receipt",
) -> list[dict[str, Any]]:
    """Add goods (product_id, sku, warehouse, quantity) to the stock in the caller's transaction, and tell of it."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    products: dict[str, UUID] = {}
    for product_id, sku, warehouse, quantity in receipts:
        sums[sku, warehouse] += quantity
        products[sku] = product_id
    if not sums:
        return []
    ordered = sorted(sums)
    await connection.execute(store.ADD_WAREHOUSES, {"codes": sorted({warehouse for _, warehouse in ordered})})
    changed = await rows(
        connection,
        store.RECEIVE,
        {
            "skus": [sku for sku, _ in ordered],
            "warehouses": [warehouse for _, warehouse in ordered],
            "product_ids": [products[sku] for sku, _ in ordered],
            "quantities": [sums[key] for key in ordered],
            "reason": reason,
            "now": now,
        },
    )
    for row in changed:
        row["change"] = sums[row["sku"], row["warehouse"]]
    await tell(connection, stock_changed(changed, reason, now))
    return changed


async def receive_goods(core: Core, receipts: Sequence[tuple[UUID, str, int]]) -> list[dict[str, Any]]:
    """Add goods (product_id, warehouse, quantity). Raises UnknownProducts, VariantRequired."""
    async with core.db.transaction() as connection:
        skus = await _skus(connection, {product_id for product_id, _, _ in receipts})
        return await receive(connection, [(p, skus[p], w, q) for p, w, q in receipts], core.clock.now())


async def sold_ids(core: Core, named: Sequence[tuple[UUID, UUID | None]]) -> list[UUID]:
    """The ids under which what is named, products and their variants, is kept in stock. Raises UnknownVariant."""
    if any(variant_id not in (None, product_id) for product_id, variant_id in named):
        async with core.db.connection() as connection:
            await check_variants(connection, named)
    return [own_id(product_id, variant_id) for product_id, variant_id in named]


async def check_warehouses(connection: Connection, codes: Iterable[str]) -> None:
    """Sellers use the warehouses that there are. Raises Problem 422."""
    if not (unknown := set(codes)):
        return
    unknown -= {row["code"] for row in await rows(connection, store.KNOWN_WAREHOUSES, {"codes": list(unknown)})}
    if unknown:
        raise Problem(422, "unknown_warehouse", "There is no such warehouse", ", ".join(sorted(unknown)[:10]))


async def _check_own(connection: Connection, who: Editor, product_id: UUID, warehouse: str) -> None:
    """The product is the seller's, and stays it until the caller commits."""
    found = await rows(connection, store.SELLER_OF_PRODUCT, {"product_id": product_id})
    who.check(product_id, found[0]["seller"] if found else None)
    await check_warehouses(connection, [warehouse])


async def count(core: Core, product_id: UUID, warehouse: str, quantity: int, caller: Caller) -> dict[str, Any]:
    """Set what is available in a warehouse to what a count found; the difference goes to the ledger as a correction. Raises
    UnknownProducts, and what ``sellers.access`` raises."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        who = await editor(connection, caller, Permission.MANAGE_STOCK)
        if who.seller is not None:
            await _check_own(connection, who, product_id, warehouse)
        sku = (await _skus(connection, {product_id}))[product_id]
        key = {"sku": sku, "warehouse": warehouse}
        await connection.execute(store.ADD_WAREHOUSES, {"codes": [warehouse]})
        await connection.execute(store.ADD_EMPTY_STOCK, {**key, "product_id": product_id})
        locked = (await rows(connection, store.LOCK_STOCK, key))[0]
        if locked["available"] != quantity or locked["version"] == 0:
            change = quantity - locked["available"]
            changed = await rows(connection, store.CORRECT, {**key, "change": change, "now": now})
            await tell(connection, stock_changed(changed, "correction", now))
    return await stock_of(core, product_id)


async def _skus(connection: Connection, product_ids: set[UUID]) -> dict[UUID, str]:
    found = await rows(connection, store.SKUS, {"product_ids": list(product_ids)})
    skus: dict[UUID, str] = {row["id"]: row["sku"] for row in found}
    if missing := product_ids - skus.keys():
        await require_variants(connection, missing)
        raise UnknownProducts(missing)
    return skus


async def reserve(core: Core, lines: Iterable[tuple[UUID, int]], country: str | None = None) -> list[dict[str, Any]]:
    """Hold stock for five minutes, each product from the warehouse that is best for a country; all lines or none."""
    wanted = _summed(lines)
    for _ in range(TAKE_ATTEMPTS):
        async with core.db.transaction() as connection:
            chosen = await _best_warehouses(connection, wanted, country)
            taken = await _take(connection, chosen, core.clock.now(), order_id=None)
        if taken:
            return taken
    raise OutOfStock((row["product_id"], row["quantity"], 0) for row in chosen)


async def take_for_order(
    connection: Connection, lines: Iterable[tuple[UUID, int]], order_id: UUID, now: datetime
) -> list[dict[str, Any]]:
    """Hold stock for an order again (its payment failed and is tried once more) in the caller's transaction."""
    wanted = _summed(lines)
    chosen: list[dict[str, Any]] = []
    for _ in range(TAKE_ATTEMPTS):
        chosen = await _best_warehouses(connection, wanted, order_id=order_id)
        if taken := await _take(connection, chosen, now, order_id):
            return taken
    raise OutOfStock((row["product_id"], row["quantity"], 0) for row in chosen)


def _summed(lines: Iterable[tuple[UUID, int]]) -> dict[UUID, int]:
    """Two lines of one product draw on the same stock."""
    wanted: dict[UUID, int] = defaultdict(int)
    for product_id, quantity in lines:
        wanted[product_id] += quantity
    return wanted


async def _best_warehouses(
    connection: Connection, wanted: dict[UUID, int], country: str | None = None, order_id: UUID | None = None
) -> list[dict[str, Any]]:
    """Where each product is best taken from, for a country or for where an order goes."""
    found = await rows(connection, store.CANDIDATES, {"product_ids": list(wanted), "order_id": order_id})
    if missing := wanted.keys() - {row["product_id"] for row in found}:
        await require_variants(connection, missing)
        raise UnknownProducts(missing)
    for row in found:
        row["quantity"] = wanted[row["product_id"]]
        destination = (country, "") if country else (row["country"], row["region"])
        row["warehouse"], row["available"] = best(row["warehouses"], row["quantity"], *destination)
    if short := [row for row in found if row["available"] < row["quantity"]]:
        raise OutOfStock((row["product_id"], row["quantity"], row["available"]) for row in short)
    return found


async def _take(
    connection: Connection, wanted: list[dict[str, Any]], now: datetime, order_id: UUID | None
) -> list[dict[str, Any]]:
    reservation_ids = [new_id() for _ in wanted]
    expires_at = now + HARD_RESERVATION
    taken = await rows(
        connection,
        store.TAKE,
        {
            "reservation_ids": reservation_ids,
            "skus": [row["sku"] for row in wanted],
            "warehouses": [row["warehouse"] for row in wanted],
            "quantities": [row["quantity"] for row in wanted],
            "order_id": order_id,
            "reference": order_id or reservation_ids[0],
            "expires_at": expires_at,
            "now": now,
        },
    )
    if not taken:
        return []
    await tell(connection, stock_changed(taken, "reservation", now))
    return [
        {
            "reservation_id": reservation_id,
            "product_id": row["product_id"],
            "warehouse": row["warehouse"],
            "quantity": row["quantity"],
            "expires_at": expires_at,
        }
        for reservation_id, row in zip(reservation_ids, wanted, strict=True)
    ]


async def release(connection: Connection, reservation_ids: Sequence[UUID], now: datetime) -> int:
    """Give reserved or allocated stock back in the caller's transaction. Repeating it changes nothing."""
    if not reservation_ids:
        return 0
    parameters = {"reservation_ids": list(reservation_ids), "reason": "release", "now": now}
    changed = await rows(connection, store.RELEASE, parameters)
    await tell(connection, stock_changed(changed, "release", now))
    return len(changed)


async def release_free(core: Core, reservation_ids: Sequence[UUID]) -> int:
    """Release reservations made through the inventory API; those of orders belong to their checkout."""
    async with core.db.transaction() as connection:
        found = await rows(connection, store.LOCK_FREE_RESERVATIONS, {"reservation_ids": list(reservation_ids)})
        if missing := set(reservation_ids) - {row["id"] for row in found}:
            raise not_found("reservation", ", ".join(sorted(map(str, missing))))
        if any(row["order_id"] for row in found):
            raise Problem(409, "reservation_of_an_order", "Stock of an order is released by cancelling the order")
        await release(connection, reservation_ids, core.clock.now())
        return sum(row["level"] != "released" for row in found)


async def ship(connection: Connection, order_id: UUID) -> None:
    """An order's goods have left, in the caller's transaction: they are reserved no longer."""
    await connection.execute(store.SHIP, {"order_id": order_id})


async def expire_reservations(core: Core, limit: int = 200) -> int:
    """Take back reservations whose time is over, hard ones with their stock. Any number of workers may do so at once."""
    now = core.clock.now()
    async with core.db.connection() as connection:  # one statement, which commits by itself
        soft = (await connection.execute(store.EXPIRE_SOFT, {"now": now, "limit": limit})).rowcount
    async with core.db.transaction() as connection:
        expired = [row["id"] for row in await rows(connection, store.EXPIRED, {"now": now, "limit": limit})]
        await release(connection, expired, now)
    return soft + len(expired)


async def ledger_differences(core: Core) -> list[dict[str, Any]]:
    """Stock rows whose ledger does not add up to what is available: none, unless something is broken."""
    async with core.db.connection() as connection:
        return await rows(connection, store.LEDGER_DIFFERENCES, {})
