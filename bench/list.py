"""Product lists a second, by category, price, order and page, beside a bare FastAPI answer of the same parameters and size."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import product
from urllib.parse import urlencode

from rich.console import Console

from bench import pages
from bench.catalogue import CATEGORIES
from bench.results import Result

_ORDERS = ("newest", "price", "price_desc", "popularity")
_PRICES: tuple[dict[str, str], ...] = ({}, {"price_max": "30"}, {"price_min": "30", "price_max": "70"})
_PAGES = (1, 2, 3, 4)


async def measure(console: Console, products: int | None = None) -> Result:
    """Both sizes, or the one that is named."""
    sizes = pages.SIZES if products is None else (products,)
    return await asyncio.to_thread(pages.measure, "list", _paths, _bare_paths, console, sizes)


def _queries() -> list[str]:
    """All combinations, in an order that says nothing, so that any may be the most wanted."""
    every = [
        urlencode({"category": category, "sort": order, "page": page, "limit": 20, **price})
        for category, order, page, price in product(CATEGORIES, _ORDERS, _PAGES, _PRICES)
    ]
    random.Random(3).shuffle(every)
    return every


def _paths(ids: Sequence[str]) -> list[str]:
    return [f"/api/v1/products?{query}" for query in _queries()]


def _bare_paths(ids: Sequence[str]) -> list[str]:
    return [f"/products?{query}" for query in _queries()]
