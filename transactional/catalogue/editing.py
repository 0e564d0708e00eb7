"""What a change makes of a product and its variants: rows before, rows after, no database.

A variant has what its product has, but for what it has of its own. It keeps that when its product changes: what differs from
the product's is its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from transactional.catalogue.errors import OfTheProduct
from transactional.catalogue.listing import facets_of, variant_title
from transactional.catalogue.schemas import Dimensions, ProductChange
from transactional.platform.query import Row

OF_A_VARIANT = frozenset({"status", "attributes", "weight_grams", "dimensions_mm"})
"""What a variant has of its own; the rest follows its product."""
_SIDES = ("length_mm", "width_mm", "height_mm")
_STRICTNESS = {"active": 0, "inactive": 1, "discontinued": 2}


def edited(
    family: Sequence[Row], target_id: UUID, change: ProductChange, category_id: UUID | None, *, is_hidden: bool = False
) -> list[tuple[Row, Row]]:
    """The rows of the family that the change makes different, each before and after. The product's row stands first.
    ``is_hidden``: its seller does not sell, so that it is inactive at least, whatever it is set to. Raises OfTheProduct."""
    product = next(row for row in family if row["parent_id"] is None)
    asked = change.model_fields_set - {"version"}
    if target_id == product["id"]:
        new_product = _changed(product, change, asked, category_id, fallback=None)
    elif foreign := asked - OF_A_VARIANT:
        raise OfTheProduct(sorted(foreign), product["id"])
    else:
        new_product = dict(product)
    new_product["status"] = _stricter(new_product["own_status"], "inactive" if is_hidden else "active")
    variants = []
    for row in family:
        if row["parent_id"] is None:
            continue
        after = _following(row, product, new_product)
        if row["id"] == target_id:
            after = _changed(after, change, asked, None, fallback=new_product)
        after["status"] = _stricter(after["own_status"], new_product["status"])
        variants.append((row, after))
    set_to = new_product["own_status"]
    sold = [after for _, after in variants if _stricter(after["own_status"], set_to) == set_to]
    described = [new_product["attributes"], *(one["attributes"] | one["options"] for one in sold)]
    new_product["facets"] = facets_of(described)
    return [(before, after) for before, after in [(product, new_product), *variants] if before != after]


def _changed(
    row: Row, change: ProductChange, asked: frozenset[str] | set[str], category_id: UUID | None, fallback: Row | None
) -> Row:
    """The row with what was asked for; null gives a variant what its product (``fallback``) has."""
    after = dict(row)
    for name in asked & {"title", "description", "brand", "tags", "seller"}:
        after[name] = getattr(change, name)
    if "status" in asked:
        after["own_status"] = change.status
    if category_id is not None:
        after["category_id"], after["category"] = category_id, change.category
    if change.attributes:
        after["attributes"] = _merged(row["attributes"], change.attributes, fallback["attributes"] if fallback else {})
    if change.translations:
        given = {language: one and one.model_dump() for language, one in change.translations.items()}
        after["translations"] = _merged(row["translations"], given, {})
    if "weight_grams" in asked:
        after["weight_grams"] = change.weight_grams or (fallback and fallback["weight_grams"])
    if "dimensions_mm" in asked:
        after |= _sides(change.dimensions_mm) if change.dimensions_mm or not fallback else _sides_of(fallback)
    return after


def _following(variant: Row, before: Row, after: Row) -> Row:
    """A variant once its product has changed from ``before`` to ``after``."""
    choice = ", ".join(variant["options"][name] for name in after["option_names"])
    row = dict(variant)
    for name in ("description", "category_id", "category", "brand", "tags", "seller"):
        row[name] = after[name]
    row["title"] = variant_title(after["title"], choice)
    row["translations"] = {
        language: {"title": variant_title(one["title"], choice), "description": one["description"]}
        for language, one in after["translations"].items()
    }
    own = {name: value for name, value in variant["attributes"].items() if before["attributes"].get(name) != value}
    row["attributes"] = after["attributes"] | own
    if variant["weight_grams"] == before["weight_grams"]:
        row["weight_grams"] = after["weight_grams"]
    if _sides_of(variant) == _sides_of(before):
        row |= _sides_of(after)
    return row


def _merged(before: Mapping[str, Any], given: Mapping[str, Any], fallback: Mapping[str, Any]) -> dict[str, Any]:
    """As RFC 7396 has it: what is null goes, here back to what the product has."""
    kept = {name: value for name, value in {**before, **given}.items() if value is not None}
    return kept | {name: fallback[name] for name, value in given.items() if value is None and name in fallback}


def _sides(size: Dimensions | None) -> dict[str, int | None]:
    if size is None:
        return dict.fromkeys(_SIDES)
    return {"length_mm": size.length, "width_mm": size.width, "height_mm": size.height}


def _sides_of(row: Row) -> dict[str, int | None]:
    return {side: row[side] for side in _SIDES}


def _stricter(*statuses: str) -> str:
    return max(statuses, key=_STRICTNESS.__getitem__)
