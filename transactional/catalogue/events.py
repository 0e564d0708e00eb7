"""What the catalogue tells the world: a product is listed, what it costs from then on, and what a change made of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lakefront.contracts.commerce import PriceChanged, ProductListed
from lakefront.money import rounded
from transactional.catalogue.listing import Listing
from transactional.platform.outbox import Fact
from transactional.platform.query import Row

SOURCE = "transactional.catalogue"


def listing(product: Listing, category_id: UUID, now: datetime) -> list[Fact]:
    """Version 1 of a product is its listing, version 2 its first price: the price history begins with an event too."""
    listed = ProductListed(
        product_id=product.id,
        sku=product.sku,
        title=product.title,
        category_id=category_id,
        category_path=product.category,
        brand=product.brand,
        currency=product.currency,
        base_price=product.price,
        price=product.price,
        status=product.status,
        attributes=product.attributes,
        parent_id=product.parent_id,
        has_variants=product.has_variants,
        options=product.options or None,
        tags=product.tags or None,
        seller=product.seller,
        weight_grams=product.weight_grams,
    )
    priced = PriceChanged(
        product_id=product.id,
        currency=product.currency,
        base_price=product.price,
        previous_price=None,
        price=product.price,
        factor=1.0,
        reason="listing",
    )
    return [Fact(listed, 1, now, SOURCE), Fact(priced, 2, now, SOURCE)]


def described(product: Row, now: datetime) -> Fact:
    """What a product is since a change, which raised its version."""
    data = ProductListed(
        product_id=product["id"],
        sku=product["sku"],
        title=product["title"],
        category_id=product["category_id"],
        category_path=product["category"],
        brand=product["brand"],
        currency=product["currency"],
        base_price=rounded(product["base_price"], product["currency"]),
        price=rounded(product["price"], product["currency"]),
        status=product["status"],
        attributes=product["attributes"],
        parent_id=product["parent_id"],
        has_variants=product["has_variants"],
        options=product["options"] or None,
        tags=product["tags"] or None,
        seller=product["seller"],
        weight_grams=product["weight_grams"],
        images=[one["page"] for one in product["images"]] or None,
    )
    return Fact(data, product["version"], now, SOURCE)
