"""What products cost in a currency: their own price, the one that is set for it, or their own at the latest rate."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from lakefront.money import rounded
from transactional.platform.database import Connection
from transactional.platform.query import rows
from transactional.pricing import store
from transactional.tariffs.errors import CurrencyNotAvailable
from transactional.tariffs.exchange import converted
from transactional.tariffs.snapshot import Tariffs


async def prices_in(
    connection: Connection, tariffs: Tariffs, products: Iterable[tuple[UUID, Decimal, str]], currency: str
) -> dict[UUID, Decimal]:
    """Unit prices in a currency of products (id, price, own currency). Nothing is read where it is the own one of all.
    Raises CurrencyNotAvailable."""
    asked = list(products)
    foreign = [product_id for product_id, _, own in asked if own != currency]
    given: dict[UUID, Decimal] = {}
    if foreign:
        found = await rows(connection, store.PRICES_IN, {"product_ids": foreign, "currency": currency})
        given = {row["product_id"]: row["price"] for row in found}
    prices: dict[UUID, Decimal] = {}
    for product_id, price, own in asked:
        unit_price = given.get(product_id) if own != currency else price
        if unit_price is None:
            unit_price = converted(price, own, currency, tariffs.per_euro)
        if unit_price is None:
            raise CurrencyNotAvailable(currency)
        prices[product_id] = rounded(unit_price, currency)
    return prices
