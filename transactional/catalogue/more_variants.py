"""More variants of a product that has some: listed as they would have been with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from lakefront.money import rounded
from transactional.catalogue import changing_store, service
from transactional.catalogue.changing import listing_of, lock_family, sides_shown, tell_of
from transactional.catalogue.errors import NoMoreVariants
from transactional.catalogue.listing import Listing, facets_of, listings
from transactional.catalogue.schemas import MOST_VARIANTS, NewProduct, NewVariant
from transactional.platform.audit import note
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, field_errors
from transactional.platform.query import Row, jsonb
from transactional.sellers.access import Editor, editor


async def add_variants(core: Core, product_id: UUID, new: Sequence[NewVariant], caller: Caller) -> dict[str, Any]:
    """All or none; the product as it is then. Raises Problem 404 and 409, NoMoreVariants, BadAttributes, and what
    ``sellers.access`` and ``service.check_existing`` raise."""
    service.refuse_repeated([one.sku for one in new])
    now, actor = core.clock.now(), caller.actor
    async with core.db.transaction() as connection:
        who = await editor(connection, caller)
        if who.seller is not None:
            await service.check_existing(connection, (), set().union(*(one.stock for one in new)))
        await add_to_family(connection, product_id, new, actor, now, who)
    service.forget_product(product_id)
    return await listing_of(core, product_id, caller)


async def add_to_family(
    connection: Connection,
    product_id: UUID,
    new: Sequence[NewVariant],
    actor: str,
    now: datetime,
    who: Editor | None = None,
    currency: str | None = None,
) -> None:
    """As ``add_variants``, in the caller's transaction; prices are in ``currency``, where that is said."""
    family = await lock_family(connection, product_id)
    product, *variants = family  # the one without a parent comes first
    if who is not None:
        who.check(product_id, product["seller"])
    _check(product, variants, product_id, new)
    if currency not in (None, product["currency"]):
        raise NoMoreVariants(f"Its prices are in {product['currency']}, and not in {currency}.")
    rows = _listings(product, new)
    await service.check_attributes(connection, rows)
    await service.add_rows(connection, rows, {product["category"]: product["category_id"]}, actor, now)
    described = [
        *(one["attributes"] | one["options"] for one in variants if one["own_status"] == product["own_status"]),
        *(one.attributes | one.options for one in rows),
    ]
    facets = facets_of([product["attributes"], *described])
    shown = {"product_id": product_id, "facets": jsonb(facets), "now": now}
    await connection.execute(changing_store.SHOW_VARIANTS, shown)
    await tell_of(connection, [product_id], now)
    await note(connection, actor, "variants_added", product_id, skus=[one.sku for one in new])


def _check(product: Row, variants: Sequence[Row], product_id: UUID, new: Sequence[NewVariant]) -> None:
    if product["id"] != product_id:
        raise NoMoreVariants(f"{product_id} is a variant itself, of {product['id']}.")
    if not product["has_variants"]:
        raise NoMoreVariants(
            "It is sold itself: its stock and orders are its own. List a product with variants instead."
        )
    if product["own_status"] != "active":
        raise NoMoreVariants(f"It is {product['own_status']}.")
    if len(variants) + len(new) > MOST_VARIANTS:
        raise NoMoreVariants(f"It has {len(variants)} of {MOST_VARIANTS} variants.")
    chosen = [one["options"] for one in variants]
    for one in new:
        if set(one.options) != set(product["option_names"]):
            raise NoMoreVariants(f"{one.sku}: its variants choose {', '.join(product['option_names'])}.")
        if one.options in chosen:
            raise NoMoreVariants(f"{one.sku}: another variant chooses the same.")
        chosen.append(one.options)


def _listings(product: Row, new: Sequence[NewVariant]) -> list[Listing]:
    """The rows of the new variants, made as those were that came with the product."""
    ordered = [
        one.model_copy(update={"options": {name: one.options[name] for name in product["option_names"]}}) for one in new
    ]
    try:
        whole = NewProduct(
            sku=product["sku"],
            title=product["title"],
            description=product["description"],
            category=product["category"],
            brand=product["brand"],
            currency=product["currency"],
            price=rounded(product["base_price"], product["currency"]),
            attributes=product["attributes"],
            tags=product["tags"],
            seller=product["seller"],
            weight_grams=product["weight_grams"],
            dimensions_mm=sides_shown(product),
            translations=product["translations"],
            variants=ordered,
        )
    except ValidationError as error:
        wrong = "; ".join(one["message"] for one in field_errors(error.errors()))
        raise Problem(422, "invalid_request", "The request does not fit its schema", wrong) from None
    return [replace(one, parent_id=product["id"]) for one in listings(whole)[1:]]
