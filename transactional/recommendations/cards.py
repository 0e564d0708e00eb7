"""Product cards and the list of popular products, kept in the worker for a moment: most requests show the same ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from transactional.platform.database import Database
from transactional.recommendations import store

CARD_SECONDS = 1.5
"""Longest time for which a card may show an old price; checkout always uses the price in force."""
POPULAR_SECONDS = 30.0
_MOST_CARDS = 50_000
_POPULAR_LIMIT = 200
_POPULAR_ORDERS = 2_000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Card:
    """A product's card as JSON; ``body`` is None where there is no such active product."""

    product_id: str
    """Whose card it is: a variant is shown as its product."""
    body: bytes | None
    is_in_stock: bool
    expires: float


class Cards:
    """Cards of one worker."""

    def __init__(self) -> None:
        self._cards: dict[str, Card] = {}

    async def of(self, db: Database, product_ids: Sequence[str]) -> dict[str, Card]:
        """Cards of the products, those not at hand in one statement."""
        now = time.monotonic()
        missing = [
            product_id
            for product_id in product_ids
            if (known := self._cards.get(product_id)) is None or known.expires <= now
        ]
        if missing:
            await self._load(db, missing, now + CARD_SECONDS)
        return {product_id: self._cards[product_id] for product_id in product_ids}

    async def _load(self, db: Database, product_ids: Sequence[str], expires: float) -> None:
        async with db.connection() as connection:
            rows = await (await connection.execute(store.CARDS, {"product_ids": list(product_ids)})).fetchall()
        if len(self._cards) > _MOST_CARDS:
            self._cards.clear()
        self._cards.update({product_id: Card(product_id, None, False, expires) for product_id in product_ids})
        self._cards.update({row[0]: Card(row[1], row[2].encode(), row[3], expires) for row in rows})

    def clear(self) -> None:
        self._cards.clear()


class Popular:
    """The fallback list of one worker. While it is refreshed, and while that fails, the old list goes on being used."""

    def __init__(self) -> None:
        self._product_ids: list[str] = []
        self._expires = 0.0
        self._refreshing: asyncio.Task[None] | None = None

    async def of(self, db: Database) -> list[str]:
        """The popular products, best first."""
        if time.monotonic() >= self._expires:
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = asyncio.create_task(self._refresh(db))
            if not self._product_ids:
                await asyncio.shield(self._refreshing)
        return self._product_ids

    async def _refresh(self, db: Database) -> None:
        parameters = {"orders": _POPULAR_ORDERS, "limit": _POPULAR_LIMIT}
        try:
            async with db.connection() as connection:
                rows = await (await connection.execute(store.POPULAR, parameters)).fetchall()
        except (psycopg.Error, PoolTimeout) as error:
            if not self._product_ids:
                raise
            log.warning("popular_not_refreshed", error=str(error))
            return
        self._product_ids = [row[0] for row in rows]
        self._expires = time.monotonic() + (POPULAR_SECONDS if rows else CARD_SECONDS)

    def clear(self) -> None:
        self._product_ids = []
        self._expires = 0.0


cards = Cards()
popular = Popular()
