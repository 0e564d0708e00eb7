"""What workers do for images: make the sizes that pages show, and remove files that no product uses.

Each file is claimed for a minute. Who dies leaves the claim to lapse, and another worker begins anew: names say what is in a
file, so that doing it twice leaves what doing it once does.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from lakefront.clock import real_now
from transactional.images import store
from transactional.images.errors import StorageAway
from transactional.images.pixels import Resized, resize
from transactional.images.service import show, storage_of
from transactional.platform.core import Core
from transactional.platform.query import Row, first, jsonb, rows

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 5
UNUSED = timedelta(hours=1)
"""So long an upload may take between its two transactions."""
log = structlog.get_logger(__name__)


async def make_sizes(core: Core) -> int:
    """Make the sizes of one image that waits for them; how many there were."""
    now = real_now()
    async with core.db.connection() as connection:
        claim = await first(connection, store.CLAIM, {"real_now": now, "lease_until": now + LEASE})
    if claim is None:
        return 0
    if claim["attempts"] > MOST_ATTEMPTS:  # it has killed its workers, or its file cannot be had
        log.error("image_failed", digest=claim["digest"])
        await _finish(core, claim, None)
        return 1
    try:
        await _make(core, claim)
    except StorageAway:  # says nothing about the image: it is tried again when the claim ends, as often as it takes
        async with core.db.connection() as connection:
            await connection.execute(store.GIVE_BACK, claim)
        return 0
    return 1


async def _make(core: Core, claim: Row) -> None:
    storage = storage_of(core)
    body = await storage.get(claim["digest"])
    try:
        made = await asyncio.to_thread(resize, body)
    except Exception:  # what Pillow raises on a file that it took at the upload; the next attempts may find memory
        log.exception("image_not_resized", digest=claim["digest"], attempt=claim["attempts"])
        return
    for one in made.values():
        await storage.put(one.name, one.body)
    await _finish(core, claim, made)


async def _finish(core: Core, claim: Row, made: dict[str, Resized] | None) -> None:
    """Write down the outcome, unless another worker has claimed the image since; its products show it from now on."""
    sizes = {size: {"name": one.name, "width": one.width, "height": one.height} for size, one in (made or {}).items()}
    state = "ready" if made else "failed"
    now = core.clock.now()
    async with core.db.transaction() as connection:
        outcome = {"digest": claim["digest"], "attempts": claim["attempts"], "state": state, "sizes": jsonb(sizes)}
        if await first(connection, store.FINISH, outcome) is None:
            return
        shown_by = [row["product_id"] for row in await rows(connection, store.SHOWN_BY, claim)]
        await rows(connection, store.LOCK_PRODUCTS, {"product_ids": shown_by})
        await show(connection, shown_by, now)


async def remove_unused(core: Core) -> int:
    """Remove the files of one image that no product uses any more; how many there were."""
    now = real_now()
    claiming = {"real_now": now, "before": now - UNUSED, "lease_until": now + LEASE}
    async with core.db.connection() as connection:
        claim = await first(connection, store.CLAIM_UNUSED, claiming)
    if claim is None:
        return 0
    await storage_of(core).remove([*claim["names"], claim["digest"]])
    async with core.db.connection() as connection:
        await connection.execute(store.FORGET, claim)
    log.info("image_removed", digest=claim["digest"])
    return 1
