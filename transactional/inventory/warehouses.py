"""What merchandisers set and watch: warehouses with their places, reorder levels, and what has fallen below them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from lakefront.ids import new_id
from transactional.inventory import store
from transactional.inventory.events import alert_raised
from transactional.inventory.schemas import WarehouseRequest
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor
from transactional.platform.errors import not_found
from transactional.platform.outbox import tell
from transactional.platform.query import Row, rows


async def warehouses(core: Core, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of warehouses, by code."""
    (after,) = decode_cursor(cursor, 1) if cursor else ("",)
    async with core.db.connection() as connection:
        found = await rows(connection, store.WAREHOUSES, {"after": after, "limit": limit})
    return _page(found, limit, "code")


async def put_warehouse(core: Core, code: str, warehouse: WarehouseRequest) -> Row:
    """Open a warehouse, or say where it is and what it can send."""
    async with core.db.connection() as connection:
        (row,) = await rows(connection, store.PUT_WAREHOUSE, {"code": code, **warehouse.model_dump()})
    return row


async def set_reorder_level(core: Core, product_id: UUID, warehouse: str | None, level: int) -> None:
    """From when on a product is to be ordered anew, in one warehouse or in all. Raises Problem 404 where it does not lie
    there."""
    parameters = {"product_id": product_id, "warehouse": warehouse, "reorder_level": level}
    async with core.db.connection() as connection:  # one statement, which commits by itself
        if not await rows(connection, store.SET_REORDER_LEVEL, parameters):
            raise not_found("stock", f"{product_id} in {warehouse or 'any warehouse'}")


async def below_reorder_level(core: Core, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of the stock that is below its reorder level now."""
    after_sku, after_warehouse = decode_cursor(cursor, 2) if cursor else ("", "")
    parameters = {"after_sku": after_sku, "after_warehouse": after_warehouse, "limit": limit}
    async with core.db.connection() as connection:
        found = await rows(connection, store.BELOW_REORDER_LEVEL, parameters)
    return _page(found, limit, "sku", "warehouse")


def _page(found: list[Row], limit: int, *key: str) -> dict[str, Any]:
    """One row more than the page was asked for: there is a next one."""
    items = found[:limit]
    more = len(found) > limit
    return {"items": items, "next_cursor": encode_cursor(*(items[-1][part] for part in key)) if more else None}


async def raise_alerts(core: Core, limit: int = 100) -> int:
    """Tell the world of stock that fell below its reorder level. Any number of workers may do so at once."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        falls = await rows(connection, store.ALERTS_TO_RAISE, {"limit": limit})
        if not falls:
            return 0
        ids = [new_id() for _ in falls]
        parameters = {"numbers": [fall["number"] for fall in falls], "ids": ids, "now": now}
        await connection.execute(store.RAISE_ALERTS, parameters)
        await tell(connection, [alert_raised(id_, fall, now) for id_, fall in zip(ids, falls, strict=True)])
    return len(falls)
