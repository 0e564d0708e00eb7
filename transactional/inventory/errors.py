"""What can go wrong with stock."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from transactional.platform.errors import Problem


class OutOfStock(Problem):
    """No warehouse has enough of a product."""

    def __init__(self, shortages: Iterable[tuple[UUID, int, int]]) -> None:
        items = [{"product_id": str(p), "requested": asked, "available": left} for p, asked, left in shortages]
        super().__init__(409, "out_of_stock", "There is not enough stock", items=items)


class UnknownProducts(Problem):
    """A request names products that do not exist or are not for sale."""

    def __init__(self, product_ids: Iterable[UUID]) -> None:
        named = sorted(str(product_id) for product_id in product_ids)
        super().__init__(
            404,
            "product_not_found",
            "There is no such product",
            f"Not for sale: {', '.join(named)}.",
            product_ids=named,
        )
