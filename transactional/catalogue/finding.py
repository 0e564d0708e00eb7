"""Finding products whatever their status: for who manages the shop among all, for a seller's people among theirs."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import orjson

from transactional.catalogue import finding_store
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor


@dataclass(frozen=True, slots=True)
class Search:
    """Which products; what is not said is any."""

    seller: str | None = None
    status: str | None = None
    sku: str | None = None
    """The product's own, or that of one of its variants."""
    words: str | None = None
    """Each must stand in title, SKU or brand."""


async def found_listings(core: Core, wanted: Search, limit: int, cursor: str | None) -> bytes:
    """A page of products, the newest first, as bytes. Raises Problem 422."""
    after = None
    if cursor is not None:
        try:
            after = UUID(decode_cursor(cursor, 1)[0])
        except ValueError:
            raise invalid_cursor() from None
    parameters = {
        "seller": wanted.seller,
        "status": wanted.status,
        "sku": wanted.sku,
        "words": (wanted.words or "").lower().split() or None,
        "after": after,
        "limit": limit,
    }
    async with core.db.connection() as connection:
        row = await (await connection.execute(finding_store.LISTINGS, parameters, prepare=False)).fetchone()
    assert row is not None, "an aggregate has a row"
    following = None if row[1] is None else encode_cursor(row[1])
    return b'{"items":%s,"next_cursor":%s}' % (str(row[0]).encode(), orjson.dumps(following))
