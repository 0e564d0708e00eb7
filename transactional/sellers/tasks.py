"""What workers do for sellers: products leave the shop with their seller, and come back with it, a batch after another."""

from __future__ import annotations

from transactional.catalogue.changing import tell_of
from transactional.platform.core import Core
from transactional.platform.query import first, rows, value
from transactional.sellers import store

BATCH = 200
"""Products, each with its variants: a tenth of a second's work, in which nobody else changes them."""


async def settle_products(core: Core) -> int:
    """Bring one batch of products into line with their seller's status; how many rows that changed, or 1 where a seller is
    done with. Each batch is told as every change of a product is. Who dies leaves the rest to the next worker."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        if not await value(connection, store.ALONE):
            return 0
        seller = await first(connection, store.TO_SETTLE)
        if seller is None:
            return 0
        is_hidden = seller["status"] != "active"
        batch = {"code": seller["code"], "limit": BATCH}
        due = [row["id"] for row in await rows(connection, store.TO_HIDE if is_hidden else store.TO_SHOW, batch)]
        if not due:  # and none comes: who lists or changes from now on sees the status, which cannot change meanwhile
            await connection.execute(store.SETTLED, {"code": seller["code"]})
            return 1
        family = [row["id"] for row in await rows(connection, store.LOCK_FAMILIES, batch | {"ids": due})]
        following = {"ids": family, "is_hidden": is_hidden, "now": now}
        different = [row["id"] for row in await rows(connection, store.FOLLOW, following)]
        if different:
            await tell_of(connection, different, now)
    return len(due)
