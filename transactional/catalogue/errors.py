"""What can go wrong in the catalogue, each with its stable code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from transactional.platform.errors import Problem


class UnknownVariant(Problem):
    """A variant is named that is not the product's."""

    def __init__(self, product_id: UUID, variant_id: UUID) -> None:
        detail = f"{variant_id} is no variant of {product_id}."
        super().__init__(422, "unknown_variant", "There is no such variant", detail)


class VariantRequired(Problem):
    """A product with several variants is named, and none of them; carries those that are for sale."""

    def __init__(self, variants: Sequence[dict[str, Any]]) -> None:
        items = [{name: str(row[name]) for name in ("product_id", "variant_id", "sku")} for row in variants]
        super().__init__(
            422, "variant_required", "Choose a variant", "The product comes in several variants.", variants=items
        )


class BadAttributes(Problem):
    """The attributes do not obey the schema of the category."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        detail = "; ".join(mistakes[:10])
        super().__init__(
            422, "bad_attributes", "The attributes do not fit the category", detail, mistakes=list(mistakes[:100])
        )


class VersionConflict(Problem):
    """Somebody has changed the product since the version that the caller has seen."""

    def __init__(self, product_id: UUID, version: int) -> None:
        detail = f"{product_id} is at version {version} by now: look at it again."
        super().__init__(409, "version_conflict", "The product has changed meanwhile", detail, version=version)


class OfTheProduct(Problem):
    """A variant is to have something of its own that its product decides."""

    def __init__(self, fields: Sequence[str], product_id: UUID) -> None:
        detail = f"{', '.join(fields)}: variants follow their product, {product_id}; change it there."
        super().__init__(422, "of_the_product", "A variant has this from its product", detail, product_id=product_id)


class NoMoreVariants(Problem):
    """The product does not take these variants."""

    def __init__(self, detail: str) -> None:
        super().__init__(409, "no_such_variants", "The product does not take these variants", detail)
