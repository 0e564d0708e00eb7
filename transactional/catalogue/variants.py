"""Which row is sold: a variant is a row of products, so that whoever holds its id needs nothing of this module.

Requests may name a product and one of its variants; a product without variants is its own only one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from transactional.catalogue import store
from transactional.catalogue.errors import UnknownVariant, VariantRequired
from transactional.platform.database import Connection
from transactional.platform.query import rows


def own_id(product_id: UUID, variant_id: UUID | None) -> UUID:
    """The id under which what is named is sold, if the variant is the product's."""
    return product_id if variant_id is None else variant_id


async def check_variants(connection: Connection, named: Iterable[tuple[UUID, UUID | None]]) -> None:
    """Nothing is read where no other variant than the product itself is named. Raises UnknownVariant."""
    pairs = [(product_id, variant) for product_id, variant in named if variant not in (None, product_id)]
    if not pairs:
        return
    found = await rows(connection, store.PARENTS, {"ids": [variant_id for _, variant_id in pairs]})
    parents = {row["id"]: row["parent_id"] for row in found}
    for product_id, variant_id in pairs:
        if variant_id is not None and parents.get(variant_id) != product_id:
            raise UnknownVariant(product_id, variant_id)


async def require_variants(connection: Connection, product_ids: Collection[UUID]) -> None:
    """For products that cannot be sold: says so where a variant must be chosen. Raises VariantRequired."""
    found = await rows(connection, store.VARIANTS, {"ids": list(product_ids)})
    if found:
        raise VariantRequired(found)
