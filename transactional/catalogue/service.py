"""The catalogue's rules: pages and lists that are rendered once and kept a moment, and the listing of products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson

from lakefront.ids import new_id
from transactional.catalogue import store
from transactional.catalogue.attributes import ancestry, check_schema, mistakes
from transactional.catalogue.errors import BadAttributes
from transactional.catalogue.events import listing
from transactional.catalogue.listing import Listing, listings
from transactional.catalogue.schemas import ListedProduct, ListedVariant, NewProduct, Sort
from transactional.inventory import service as inventory
from transactional.platform.audit import note, products_named
from transactional.platform.authentication import Caller
from transactional.platform.cache import Body, Rendered, RenderedCache
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.news_follower import shared_pages
from transactional.platform.outbox import tell
from transactional.platform.query import Row, document, first, jsonb, rows
from transactional.platform.shared_answers import Made
from transactional.sellers.access import editor
from transactional.sellers.standing import hidden

MOMENT_SECONDS = 1.5
"""So long a page may be kept of which something lies in carts, or that may show images of another row: no event tells."""
COUNTED_PRODUCTS = 10_000
"""Of a longer list, tags and attributes are counted over about so many of its products, and facets say so."""
FACET_NAMES, FACET_VALUES = 20, 30
NOTED_SKUS = 20
"""So many of those that were listed at once are named in the audit log, the first."""
POPULAR_ORDERS = 10_000
_RENDERING = blake2b(store.PRODUCT.encode(), digest_size=4).hexdigest()
"""Pages are shared by workers that render them alike: one of a new release shows none that an older one has left."""
pages = RenderedCache("product", one_by=("product", "stock"))
lists = RenderedCache("product_list", all_by=("product", "availability"))
facets = RenderedCache("facets", all_by=("product",))
tree = RenderedCache("category_tree", all_by=("listing",))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which products."""

    category: str | None = None
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    brands: tuple[str, ...] = ()
    seller: str | None = None
    tags: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    rating_min: Decimal | None = None

    def parameters(self) -> dict[str, Any]:
        """For the statements that list. Several values of one attribute are a choice: one of them must be there."""
        wanted: dict[str, list[str]] = {}
        for name, value in self.attributes:
            wanted.setdefault(name, []).append(value)
        facets = {name: values for name, values in wanted.items() if len(values) == 1}
        choices = {name: values for name, values in wanted.items() if len(values) > 1}
        return {
            "category": self.category,
            "below": f"{self.category}/%",
            "price_min": self.price_min,
            "price_max": self.price_max,
            "rating_min": self.rating_min,
            "brands": list(self.brands) or None,
            "seller": self.seller,
            "tags": list(self.tags) or None,
            "facets": jsonb(facets) if facets else None,
            "choices": jsonb(choices) if choices else None,
        }


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which page of which products."""

    filter: Filter
    sort: Sort
    limit: int
    page: int
    cursor: str | None
    language: str | None = None


async def product_page(core: Core, product_id: UUID, language: str | None = None) -> Rendered:
    """The page of a product, as bytes, in a language where it is translated to it. Raises Problem 404."""

    subject = str(product_id)

    variant = f"{_RENDERING}:{language or ''}"

    async def render() -> Body:
        shared = shared_pages(core)
        before = None if shared is None else shared.before()
        if shared is not None and before is not None and (found := await shared.get(subject, variant)):
            return Body(*found)
        async with core.db.connection() as connection:
            parameters = {"product_id": product_id, "language": language, "now": core.clock.now()}
            row = await (await connection.execute(store.PRODUCT, parameters)).fetchone()
        if row is None:
            raise not_found("product", product_id)
        body, is_for_a_moment, version = str(row[0]).encode(), row[1], row[2]
        if is_for_a_moment:
            return Body(body, MOMENT_SECONDS)
        if shared is not None and before is not None:
            shared.share(Made(subject, variant, body, version, before))
        return Body(body)

    return await pages.get(subject if language is None else (subject, language), render, subject=subject)


async def product_list(core: Core, query: ListQuery) -> Rendered:
    """A page of products, as bytes."""
    return await lists.get(query, lambda: _render_list(core, query))


async def _render_list(core: Core, query: ListQuery) -> bytes:
    after_id, after_key = _position(query)
    parameters = query.filter.parameters() | {
        "after_id": after_id,
        "after_key": after_key,
        "limit": query.limit,
        "offset": 0 if query.cursor else (query.page - 1) * query.limit,
        "language": query.language,
        "now": core.clock.now(),
    }
    async with core.db.connection() as connection:
        row = await (await connection.execute(store.LISTS[query.sort], parameters, prepare=False)).fetchone()
        assert row is not None  # an aggregate has a row
        items, last_id, last_key = row
        if items == "[]":
            await check_category(connection, query.filter.category)
    cursor = None if last_id is None else encode_cursor(query.sort, last_id, str(last_key))
    return b'{"items":%s,"next_cursor":%s}' % (items.encode(), orjson.dumps(cursor))


async def check_category(connection: Connection, path: str | None) -> None:
    """For who has found nothing in a category. Raises Problem 404."""
    if path is None:
        return
    found = await connection.execute(store.CATEGORY_EXISTS, {"path": path})
    if await found.fetchone() is None:
        raise Problem(404, "category_not_found", "There is no such category", f"No category is {path}.")


def _position(query: ListQuery) -> tuple[UUID | None, Decimal | None]:
    if query.cursor is None:
        return None, None
    sort, last_id, last_key = decode_cursor(query.cursor, 3)
    if sort != query.sort:
        raise invalid_cursor()
    try:
        key = Decimal(last_key)
        if not key.is_finite() or abs(key) >= 10**14 or (sort == "popularity" and key != int(key)):
            raise invalid_cursor()
        return UUID(last_id), key
    except (ValueError, InvalidOperation):
        raise invalid_cursor() from None


async def product_facets(core: Core, chosen: Filter) -> Rendered:
    """What a list can be narrowed by, as bytes. Raises Problem 404."""

    async def render() -> bytes:
        depth = 0 if chosen.category is None else len(chosen.category.split("/"))
        bounds = {"depth": depth, "most": COUNTED_PRODUCTS, "names": FACET_NAMES, "values": FACET_VALUES}
        async with core.db.connection() as connection:
            parameters = chosen.parameters() | bounds
            row = await (await connection.execute(store.FACETS, parameters, prepare=False)).fetchone()
            assert row is not None  # an aggregate has a row
            text = str(row[0])
            if text.startswith('{"products" : 0,'):
                await check_category(connection, chosen.category)
        return text.encode()

    return await facets.get(chosen, render)


async def breadcrumbs(core: Core, category_id: UUID) -> Rendered:
    """The categories from the root to this one, as bytes. Raises Problem 404."""

    async def render() -> bytes:
        async with core.db.connection() as connection:
            row = await (await connection.execute(store.BREADCRUMBS, {"category_id": category_id})).fetchone()
        if row is None:
            raise not_found("category", category_id)
        return str(row[0]).encode()

    return await tree.get(category_id, render)


async def count_popularity(core: Core) -> int:
    """Count anew what the latest orders bought: what lists sort by. Any worker may; it is never done twice at once to a
    row. Answers 0: there is no more to do before the next round."""
    async with core.db.connection() as connection:  # one statement, which commits by itself
        await connection.execute(store.COUNT_POPULARITY, {"orders": POPULAR_ORDERS})
    return 0


async def categories(core: Core) -> Rendered:
    """The whole tree of categories, as bytes."""

    async def render() -> bytes:
        async with core.db.connection() as connection:
            row = await (await connection.execute(store.CATEGORIES)).fetchone()
        assert row is not None  # an aggregate has a row
        return str(row[0]).encode()

    return await tree.get("categories", render)


async def example_product(core: Core) -> str | None:
    """Id of a product that can be ordered, None while the shop is empty."""
    async with core.db.connection() as connection:
        row = await (await connection.execute(store.EXAMPLE)).fetchone()
    return None if row is None else str(row[0])


async def list_products(core: Core, products: Sequence[NewProduct], caller: Caller) -> list[ListedProduct]:
    """List products and their variants with their opening stock, all or none; a seller's people their own. Raises Problem 409
    for SKUs that exist already, BadAttributes, and what ``sellers.access`` and ``check_existing`` raise."""
    async with core.db.transaction() as connection:
        who = await editor(connection, caller)
        if who.seller is not None:
            for product in products:
                who.check_named(product.seller or who.seller)
            products = [product.model_copy(update={"seller": who.seller}) for product in products]
            stocks = [own.stock for own in products] + [one.stock for own in products for one in own.variants]
            await check_existing(connection, {own.category for own in products}, set().union(*stocks))
        listed = await add_products(connection, products, caller.actor, core.clock.now())
    for cache in (lists, facets, tree):
        cache.clear()
    return listed


async def add_products(
    connection: Connection, products: Sequence[NewProduct], actor: str, now: datetime
) -> list[ListedProduct]:
    """As ``list_products``, in the caller's transaction."""
    families = [listings(product) for product in products]
    every = [one for family in families for one in family]
    refuse_repeated([one.sku for one in every])
    by_path = await category_ids(connection, {product.category for product in products})
    await check_attributes(connection, every)
    await add_rows(connection, every, by_path, actor, now)
    subject = products_named([family[0].id for family in families])
    named = [family[0].sku for family in families[:NOTED_SKUS]]
    await note(connection, actor, "products_listed", subject, products=len(families), skus=named)
    return [_listed(family) for family in families]


async def add_rows(
    connection: Connection, every: Sequence[Listing], by_path: Mapping[str, UUID], actor: str, now: datetime
) -> None:
    """Write new products and variants with their events and opening stock, out of the shop while their seller is. Raises
    Problem 409 for SKUs that exist."""
    out = await hidden(connection, {one.seller for one in every}, actor, now)
    every = [replace(one, status="inactive") if one.seller in out else one for one in every]
    parameters = {
        "products": document([one.row(by_path[one.category]) for one in every]),
        "now": now,
        "actor": actor,
    }
    listed = {row[0] for row in await (await connection.execute(store.ADD_PRODUCTS, parameters)).fetchall()}
    if known := [one.sku for one in every if one.id not in listed]:
        raise Problem(409, "sku_exists", "A SKU is listed already", f"{', '.join(known[:10])}", skus=known)
    await tell(connection, [fact for one in every for fact in listing(one, by_path[one.category], now)])
    receipts = [(one.id, one.sku, warehouse, units) for one in every for warehouse, units in one.stock.items() if units]
    await inventory.receive(connection, receipts, now)


async def known_skus(connection: Connection, skus: Sequence[str]) -> dict[str, UUID]:
    """Those of the SKUs that are listed already, with their ids."""
    return {row["sku"]: row["id"] for row in await rows(connection, store.KNOWN_SKUS, {"skus": list(skus)})}


def _listed(family: Sequence[Listing]) -> ListedProduct:
    own, *variants = family
    sold = [ListedVariant(variant_id=one.id, sku=one.sku) for one in variants or [own]]
    return ListedProduct(product_id=own.id, sku=own.sku, variants=sold)


async def check_attributes(connection: Connection, products: Sequence[Listing]) -> None:
    """Of a product with variants each variant must obey: its attributes are the product's and its own."""
    schemas = await schemas_of(connection, {product.category for product in products})
    wrong = [
        f"{product.sku}: {mistake}"
        for product in products
        if schemas and not product.has_variants
        for mistake in mistakes(product.category, product.attributes, schemas)
    ]
    if wrong:
        raise BadAttributes(wrong)


async def schemas_of(connection: Connection, categories: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The attribute schemas that hold in categories, by the path of the category that has it."""
    paths = sorted({path for category in categories for path in ancestry(category)})
    found = await rows(connection, store.SCHEMAS, {"paths": paths})
    return {row["path"]: row["attribute_schema"] for row in found}


async def attribute_schema(core: Core, category_id: UUID) -> Row:
    """A category's own schema. Raises Problem 404."""
    async with core.db.connection() as connection:
        found = await first(connection, store.SCHEMA, {"category_id": category_id})
    if found is None:
        raise not_found("category", category_id)
    return found


async def set_attribute_schema(core: Core, actor: str, category_id: UUID, schema: dict[str, Any] | None) -> Row:
    """Products that are listed or changed from now on must obey it. Raises Problem 404 and 422."""
    if schema is not None:
        check_schema(schema)
    parameters = {"category_id": category_id, "attribute_schema": None if schema is None else jsonb(schema)}
    async with core.db.transaction() as connection:
        found = await first(connection, store.SET_SCHEMA, parameters)
        if found is None:
            raise not_found("category", category_id)
        await note(connection, actor, "attribute_schema_set", category_id, path=found["path"], attribute_schema=schema)
    return found


def refuse_repeated(skus: Sequence[str]) -> None:
    repeated = sorted(sku for sku, times in Counter(skus).items() if times > 1)
    if repeated:
        raise Problem(422, "invalid_request", "A SKU stands twice in the request", ", ".join(repeated), skus=repeated)


async def category_ids(connection: Connection, paths: Iterable[str]) -> dict[str, UUID]:
    """Ids of categories by path; those that do not exist yet are created, with their ancestors."""
    wanted = {ancestor for path in paths for ancestor in ancestry(path)}
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


async def check_existing(connection: Connection, paths: Iterable[str], warehouses: Iterable[str]) -> None:
    """Sellers use the categories and warehouses that there are, and make no others. Raises Problem 422."""
    unknown = set(paths)
    if unknown:
        unknown -= (await _known_categories(connection, unknown)).keys()
    if unknown:
        raise Problem(422, "unknown_category", "There is no such category", ", ".join(sorted(unknown)[:10]))
    await inventory.check_warehouses(connection, warehouses)


async def _known_categories(connection: Connection, paths: set[str]) -> dict[str, UUID]:
    found = await connection.execute(store.CATEGORIES_BY_PATH, {"paths": list(paths)})
    return {row[0]: row[1] for row in await found.fetchall()}


def forget_product(product_id: UUID) -> None:
    """What this worker shows of a product has changed: a price, its stock."""
    pages.forget(str(product_id))
    lists.clear()
