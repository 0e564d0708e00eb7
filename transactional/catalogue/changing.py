"""Changing products that are listed: what was asked, its variants, its events and its audit, in one transaction.

Prices are changed by ``transactional.pricing`` alone, stock by ``transactional.inventory``.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from lakefront.money import money_text
from transactional.catalogue import changing_store, service
from transactional.catalogue.attributes import mistakes
from transactional.catalogue.editing import edited
from transactional.catalogue.errors import BadAttributes, VersionConflict
from transactional.catalogue.events import described
from transactional.catalogue.schemas import ProductChange
from transactional.platform.audit import note
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import not_found
from transactional.platform.outbox import tell
from transactional.platform.query import Row, document, rows
from transactional.sellers.access import editor
from transactional.sellers.standing import hidden

_WRITTEN = (
    "id", "title", "description", "category_id", "brand", "status", "own_status", "attributes", "tags", "seller",
    "weight_grams", "length_mm", "width_mm", "height_mm", "facets", "translations",
)  # fmt: skip
_DERIVED = ("facets", "category_id")


async def change_product(core: Core, product_id: UUID, change: ProductChange, caller: Caller) -> dict[str, Any]:
    """Change a product or a variant; the listing as it is then. What is already so changes nothing. Raises Problem 404,
    VersionConflict, OfTheProduct, BadAttributes, and what ``sellers.access`` raises."""
    now, actor = core.clock.now(), caller.actor
    async with core.db.transaction() as connection:
        who = await editor(connection, caller)
        if "seller" in change.model_fields_set:
            who.check_named(change.seller)
        if who.seller is not None:
            await service.check_existing(connection, {change.category} - {""}, ())
        category_id = None
        if change.category:
            category_id = (await service.category_ids(connection, {change.category}))[change.category]
        family = await lock_family(connection, product_id)
        target = next(row for row in family if row["id"] == product_id)
        who.check(product_id, target["seller"])
        if change.version is not None and change.version != target["version"]:
            raise VersionConflict(product_id, target["version"])
        seller = change.seller if "seller" in change.model_fields_set else target["seller"]
        is_hidden = bool(await hidden(connection, [seller], actor, now))
        different = edited(family, product_id, change, category_id, is_hidden=is_hidden)
        await _check_attributes(connection, different)
        if different:
            written = [{name: after[name] for name in _WRITTEN} for _, after in different]
            await connection.execute(changing_store.CHANGE_PRODUCTS, {"products": document(written), "now": now})
            ids = [after["id"] for _, after in different]
            await tell_of(connection, ids, now)
            await note(connection, actor, "product_changed", product_id, changes=_changes(different, product_id))
        listing = _listing(await listings(connection, [row["id"] for row in family]), product_id)
    for row in family:
        service.forget_product(row["id"])
    return listing


async def listing_of(core: Core, product_id: UUID, caller: Caller) -> dict[str, Any]:
    """A product as who may change it sees it, whatever its status. Raises Problem 404, NoSeller."""
    async with core.db.connection() as connection:
        who = await editor(connection, caller, is_looking=True)
        ids = [row["id"] for row in await rows(connection, changing_store.FAMILY, {"product_id": product_id})]
        if not ids:
            raise not_found("product", product_id)
        found = await listings(connection, ids)
        who.check(product_id, found[0]["seller"])
        return _listing(found, product_id)


async def lock_family(connection: Connection, product_id: UUID) -> list[Row]:
    """The product that this is or belongs to, with all its variants, locked. Raises Problem 404."""
    locked = await rows(connection, changing_store.LOCK_FAMILY, {"product_id": product_id})
    if not locked:
        raise not_found("product", product_id)
    return await listings(connection, [row["id"] for row in locked])


async def listings(connection: Connection, product_ids: Collection[UUID]) -> list[Row]:
    """What stands of products, those without a parent first."""
    return await rows(connection, changing_store.LISTINGS, {"ids": list(product_ids)})


async def tell_of(connection: Connection, product_ids: Collection[UUID], now: datetime) -> None:
    """Tell what products are now, under the versions that the caller has raised."""
    await tell(connection, [described(row, now) for row in await listings(connection, product_ids)])


async def _check_attributes(connection: Connection, different: list[tuple[Row, Row]]) -> None:
    """Where attributes or category change. What was listed before its category had a schema is let be otherwise."""
    asked = [
        after
        for before, after in different
        if not after["has_variants"]
        and (before["attributes"], before["category"]) != (after["attributes"], after["category"])
    ]
    schemas = await service.schemas_of(connection, {row["category"] for row in asked}) if asked else {}
    wrong = [f"{row['sku']}: {one}" for row in asked for one in mistakes(row["category"], row["attributes"], schemas)]
    if wrong:
        raise BadAttributes(wrong)


def _changes(different: list[tuple[Row, Row]], product_id: UUID) -> dict[str, Any]:
    """Of the one that was named, each field before and after; its variants follow by rule."""
    for before, after in different:
        if before["id"] == product_id:
            names = [name for name in after if after[name] != before[name] and name not in _DERIVED]
            return {name: {"from": before[name], "to": after[name]} for name in names}
    return {}


def _listing(family: list[Row], product_id: UUID) -> dict[str, Any]:
    row = next(one for one in family if one["id"] == product_id)
    variants = [_shown(one) for one in family if one["parent_id"] == product_id]
    return _shown(row) | {"variants": variants}


def sides_shown(row: Row) -> dict[str, int] | None:
    """The dimensions of a row as requests and answers have them, in mm."""
    if row["length_mm"] is None:
        return None
    return {side: row[f"{side}_mm"] for side in ("length", "width", "height")}


def _shown(row: Row) -> dict[str, Any]:
    return {
        **row,
        "product_id": row["id"],
        "base_price": money_text(row["base_price"], row["currency"]),
        "price": money_text(row["price"], row["currency"]),
        "dimensions_mm": sides_shown(row),
    }
