"""Whether what is listed or changed may be shown: its seller must be active.

A product's status is the strictest of what it was set to and what its seller's status allows, and stands in its row, so that
whoever sells looks at one row. Whoever writes it holds the seller's row; when a seller's status changes, ``tasks`` follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from transactional.platform.audit import note
from transactional.platform.database import Connection
from transactional.platform.outbox import tell
from transactional.platform.query import rows
from transactional.sellers import store
from transactional.sellers.events import changed


async def hidden(connection: Connection, named: Iterable[str | None], actor: str, now: datetime) -> frozenset[str]:
    """Those of the sellers whose products are not shown; all of them are held until the caller commits. A code that no seller
    has becomes one, active and without people: the callers have seen to it that only who manages the shop names others."""
    codes = sorted({code for code in named if code})
    if not codes:
        return frozenset()
    found = await rows(connection, store.STANDING, {"codes": codes})
    unknown = sorted(set(codes) - {row["code"] for row in found})
    if unknown:
        added = await rows(connection, store.ADD_UNKNOWN, {"codes": unknown, "now": now})
        for row in added:
            await note(connection, actor, "seller_added", row["code"])
        await tell(connection, [changed(row, None, now) for row in added])
        return await hidden(connection, codes, actor, now)  # others may have added or refused some meanwhile
    return frozenset(row["code"] for row in found if row["status"] != "active")
