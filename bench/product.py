"""Product pages a second, by Zipf's law among 1,000 and 100,000 products, beside a bare FastAPI answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rich.console import Console

from bench import pages
from bench.results import Result


async def measure(console: Console, products: int | None = None) -> Result:
    """Both sizes, or the one that is named."""
    sizes = pages.SIZES if products is None else (products,)
    return await asyncio.to_thread(pages.measure, "product", _paths, _bare_paths, console, sizes)


def _paths(ids: Sequence[str]) -> list[str]:
    return [f"/api/v1/products/{product}" for product in ids]


def _bare_paths(ids: Sequence[str]) -> list[str]:
    return [f"/products/{product}" for product in ids]
