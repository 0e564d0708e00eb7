"""Background work of accounts: forget what has ended."""

from __future__ import annotations

from lakefront.clock import real_now
from transactional.accounts import store
from transactional.platform.core import Core
from transactional.platform.query import value


async def forget_ended(core: Core) -> int:
    """Attempts, letters and tokens whose time is over. Always 0: what is left can wait for the next round."""
    async with core.db.connection() as connection:
        await value(connection, store.FORGET_ENDED, {"now": real_now()})
    return 0
