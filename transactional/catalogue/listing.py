"""What is listed becomes rows: one of a product without variants, else one of the product and one of each variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import orjson

from lakefront.ids import new_id
from lakefront.money import rounded
from transactional.catalogue.schemas import Dimensions, NewProduct, NewVariant

LONGEST_TITLE = 500
LONGEST_FACET = 100
"""Longer values are prose, which nobody filters by."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A row of products that is to be."""

    id: UUID
    sku: str
    title: str
    description: str
    category: str
    brand: str | None
    currency: str
    price: Decimal
    prices: dict[str, Decimal]
    attributes: dict[str, Any]
    tags: list[str]
    seller: str | None
    weight_grams: int | None
    dimensions: Dimensions | None
    translations: dict[str, dict[str, str]]
    stock: dict[str, int]
    parent_id: UUID | None = None
    has_variants: bool = False
    option_names: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    facets: dict[str, list[str]] = field(default_factory=dict)
    status: Literal["active", "inactive"] = "active"
    """Inactive while its seller does not sell."""

    def row(self, category_id: UUID) -> dict[str, Any]:
        """As the statement that adds it takes it."""
        size = self.dimensions
        return {
            "id": self.id,
            "sku": self.sku,
            "title": self.title,
            "description": self.description,
            "category_id": category_id,
            "brand": self.brand,
            "currency": self.currency,
            "price": self.price,
            "prices": self.prices,
            "attributes": self.attributes,
            "tags": self.tags,
            "seller": self.seller,
            "weight_grams": self.weight_grams,
            "length_mm": size.length if size else None,
            "width_mm": size.width if size else None,
            "height_mm": size.height if size else None,
            "translations": self.translations,
            "parent_id": self.parent_id,
            "has_variants": self.has_variants,
            "option_names": self.option_names,
            "options": self.options,
            "facets": self.facets,
            "status": self.status,
        }


def listings(product: NewProduct) -> list[Listing]:
    """The product's own row, then those of its variants. With variants, its price is the lowest of theirs."""
    variants = product.variants
    price = min((_price(product, one) for one in variants), default=product.price)
    own = Listing(
        id=new_id(),
        sku=product.sku,
        title=product.title,
        description=product.description,
        category=product.category,
        brand=product.brand,
        currency=product.currency,
        price=rounded(price, product.currency),
        prices=product.prices,
        attributes=product.attributes,
        tags=product.tags,
        seller=product.seller,
        weight_grams=product.weight_grams,
        dimensions=product.dimensions_mm,
        translations={language: one.model_dump() for language, one in product.translations.items()},
        stock=product.stock,
        has_variants=bool(variants),
        option_names=list(variants[0].options) if variants else [],
        facets=facets_of([product.attributes, *(one.attributes | one.options for one in variants)]),
    )
    return [own, *(_variant(product, own, one) for one in variants)]


def facets_of(described: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What lists filter a product by: all plain values of its attributes, and what its variants choose, as text."""
    found: dict[str, list[str]] = {}
    for attributes in described:
        for name, value in attributes.items():
            values = found.setdefault(name, [])
            values += [text for text in map(_plain, value if isinstance(value, list) else [value]) if text]
    return {name: list(dict.fromkeys(values)) for name, values in found.items() if values}


def _plain(value: Any) -> str | None:
    """As jsonb shows it: numbers and truth values too."""
    if not isinstance(value, str | int | float):
        return None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if 0 < len(text) <= LONGEST_FACET else None


def _price(product: NewProduct, variant: NewVariant) -> Decimal:
    return product.price if variant.price is None else variant.price


def _variant(product: NewProduct, own: Listing, variant: NewVariant) -> Listing:
    choice = ", ".join(variant.options[name] for name in own.option_names)
    return Listing(
        id=new_id(),
        sku=variant.sku,
        title=variant_title(product.title, choice),
        description=product.description,
        category=product.category,
        brand=product.brand,
        currency=product.currency,
        price=rounded(_price(product, variant), product.currency),
        prices=variant.prices if variant.price is not None else product.prices | variant.prices,
        attributes=product.attributes | variant.attributes,
        tags=product.tags,
        seller=product.seller,
        weight_grams=variant.weight_grams or product.weight_grams,
        dimensions=variant.dimensions_mm or product.dimensions_mm,
        translations={
            language: {"title": variant_title(one.title, choice), "description": one.description}
            for language, one in product.translations.items()
        },
        stock=variant.stock,
        parent_id=own.id,
        options=variant.options,
    )


def variant_title(title: str, choice: str) -> str:
    """The title of a variant as carts and orders show it: "Linen shirt (M, white)"."""
    suffix = f" ({choice})"
    return title[: LONGEST_TITLE - len(suffix)] + suffix
