"""The catalogue's rules: pages and lists that are rendered once and kept a moment, and the listing of products."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from uuid import UUID

import orjson

from lakefront.ids import new_id
from lakefront.money import rounded
from transactional.catalogue import store
from transactional.catalogue.events import listing
from transactional.catalogue.schemas import ListedProduct, NewProduct, Sort
from transactional.inventory import service as inventory
from transactional.platform.cache import Rendered, RenderedCache
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.outbox import tell

LIFETIME_SECONDS = 1.5
"""Longest time for which a worker shows what another has changed."""
pages = RenderedCache("product", lifetime=LIFETIME_SECONDS, size=20_000)
lists = RenderedCache("product_list", lifetime=LIFETIME_SECONDS, size=2_000)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which page of which products."""

    category: str | None
    price_min: Decimal | None
    price_max: Decimal | None
    sort: Sort
    limit: int
    page: int
    cursor: str | None


async def product_page(core: Core, product_id: UUID) -> Rendered:
    """The page of a product, as bytes. Raises Problem 404."""

    async def render() -> bytes:
        async with core.db.connection() as connection:
            parameters = {"product_id": product_id, "now": core.clock.now()}
            row = await (await connection.execute(store.PRODUCT, parameters)).fetchone()
        if row is None:
            raise not_found("product", product_id)
        return str(row[0]).encode()

    return await pages.get(product_id, render)


async def product_list(core: Core, query: ListQuery) -> Rendered:
    """A page of products, as bytes."""
    return await lists.get(query, lambda: _render_list(core, query))


async def _render_list(core: Core, query: ListQuery) -> bytes:
    after_id, after_price = _position(query)
    parameters = {
        "category": query.category,
        "below": f"{query.category}/%",
        "price_min": query.price_min,
        "price_max": query.price_max,
        "after_id": after_id,
        "after_price": after_price,
        "limit": query.limit,
        "offset": 0 if query.cursor else (query.page - 1) * query.limit,
        "now": core.clock.now(),
    }
    statement = store.NEWEST if query.sort == "newest" else store.CHEAPEST
    async with core.db.connection() as connection:
        row = await (await connection.execute(statement, parameters)).fetchone()
        assert row is not None  # an aggregate has a row
        items, last_id, last_price = row
        if items == "[]" and query.category is not None:
            found = await connection.execute(store.CATEGORY_EXISTS, {"path": query.category})
            if await found.fetchone() is None:
                raise Problem(
                    404, "category_not_found", "There is no such category", f"No category is {query.category}."
                )
    cursor = None if last_id is None else encode_cursor(query.sort, last_id, str(last_price))
    return b'{"items":%s,"next_cursor":%s}' % (items.encode(), orjson.dumps(cursor))


def _position(query: ListQuery) -> tuple[UUID | None, Decimal | None]:
    if query.cursor is None:
        return None, None
    sort, last_id, last_price = decode_cursor(query.cursor, 3)
    if sort != query.sort:
        raise invalid_cursor()
    try:
        return UUID(last_id), Decimal(last_price)
    except (ValueError, InvalidOperation):
        raise invalid_cursor() from None


async def categories(core: Core) -> Rendered:
    """The whole tree of categories, as bytes."""

    async def render() -> bytes:
        async with core.db.connection() as connection:
            row = await (await connection.execute(store.CATEGORIES)).fetchone()
        assert row is not None  # an aggregate has a row
        return str(row[0]).encode()

    return await lists.get("categories", render)


async def example_product(core: Core) -> str | None:
    """Id of a product that can be ordered, None while the shop is empty."""
    async with core.db.connection() as connection:
        row = await (await connection.execute(store.EXAMPLE)).fetchone()
    return None if row is None else str(row[0])


async def list_products(core: Core, products: Sequence[NewProduct], actor: str) -> list[ListedProduct]:
    """List products with their opening stock, all or none. Raises Problem 409 for SKUs that exist already."""
    _refuse_repeated([product.sku for product in products])
    now = core.clock.now()
    ids = [new_id() for _ in products]
    async with core.db.transaction() as connection:
        by_path = await _categories(connection, {product.category for product in products})
        parameters = {
            "ids": ids,
            "skus": [product.sku for product in products],
            "titles": [product.title for product in products],
            "descriptions": [product.description for product in products],
            "category_ids": [by_path[product.category] for product in products],
            "brands": [product.brand for product in products],
            "currencies": [product.currency for product in products],
            "prices": [rounded(product.price, product.currency) for product in products],
            "attributes": [orjson.dumps(product.attributes).decode() for product in products],
            "now": now,
            "actor": actor,
        }
        listed = {row[0] for row in await (await connection.execute(store.ADD_PRODUCTS, parameters)).fetchall()}
        pairs = list(zip(ids, products, strict=True))
        if known := [product.sku for product_id, product in pairs if product_id not in listed]:
            raise Problem(409, "sku_exists", "A SKU is listed already", f"{', '.join(known[:10])}", skus=known)
        facts = [
            fact
            for product_id, product in pairs
            for fact in listing(product_id, product, by_path[product.category], now)
        ]
        await tell(connection, facts)
        receipts = [
            (product_id, product.sku, warehouse, units)
            for product_id, product in pairs
            for warehouse, units in product.stock.items()
            if units
        ]
        await inventory.receive(connection, receipts, now)
    lists.clear()
    return [ListedProduct(product_id=product_id, sku=product.sku) for product_id, product in pairs]


def _refuse_repeated(skus: Sequence[str]) -> None:
    repeated = sorted({sku for sku in skus if skus.count(sku) > 1}) if len(set(skus)) < len(skus) else []
    if repeated:
        raise Problem(422, "invalid_request", "A SKU stands twice in the request", ", ".join(repeated), skus=repeated)


async def _categories(connection: Connection, paths: Iterable[str]) -> dict[str, UUID]:
    """Ids of categories by path; those that do not exist yet are created, with their ancestors."""
    wanted = {ancestor for path in paths for ancestor in _ancestry(path)}
    known = await _known_categories(connection, wanted)
    if wanted <= known.keys():
        return known
    await connection.execute(store.LOCK_CATEGORIES)
    known = await _known_categories(connection, wanted)
    missing = sorted(wanted - known.keys(), key=lambda path: path.count("/"))
    known |= {path: new_id() for path in missing}
    slugs = [path.rsplit("/", 1)[-1] for path in missing]
    await connection.execute(
        store.ADD_CATEGORIES,
        {
            "ids": [known[path] for path in missing],
            "parent_ids": [known[path.rpartition("/")[0]] if "/" in path else None for path in missing],
            "slugs": slugs,
            "names": [slug.replace("-", " ").capitalize() for slug in slugs],
            "paths": missing,
        },
    )
    return known


async def _known_categories(connection: Connection, paths: set[str]) -> dict[str, UUID]:
    found = await connection.execute(store.CATEGORIES_BY_PATH, {"paths": list(paths)})
    return {row[0]: row[1] for row in await found.fetchall()}


def _ancestry(path: str) -> list[str]:
    """The path and all that stand above it: "a/b/c" gives a, a/b, a/b/c."""
    slugs = path.split("/")
    return ["/".join(slugs[: depth + 1]) for depth in range(len(slugs))]


def forget_product(product_id: UUID) -> None:
    """What this worker shows of a product has changed: a price, its stock."""
    pages.forget(product_id)
    lists.clear()
