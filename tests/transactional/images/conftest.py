"""Pictures that Pillow paints, and the way they take through the shop."""

from __future__ import annotations

import io
import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from PIL import Image

Paint = Callable[..., bytes]


@pytest.fixture
def paint() -> Paint:
    """``paint(600, 400, "JPEG", …)``: a picture that no other test has, as a file; further arguments go to Pillow."""

    def make(width: int = 600, height: int = 400, kind: str = "JPEG", mode: str = "RGB", **saved: Any) -> bytes:
        image = Image.new(mode, (width, height))
        for _ in range(8):
            place = (random.randrange(width), random.randrange(height))
            image.putpixel(place, tuple(random.randbytes(len(image.getbands()))))
        target = io.BytesIO()
        image.save(target, kind, **saved)
        return target.getvalue() + (random.randbytes(16) if kind == "JPEG" else b"")

    return make


@pytest.fixture
def upload(client: httpx.AsyncClient, internal: dict[str, str]) -> Callable[..., Awaitable[httpx.Response]]:
    """``await upload(product_id, body, alt="…")``: POST of a file as the shop's own processes."""

    async def post(product_id: str, body: bytes, media_type: str = "image/jpeg", alt: str = "") -> httpx.Response:
        headers = {**internal, "Content-Type": media_type}
        return await client.post(
            f"/api/v1/products/{product_id}/images", params={"alt": alt}, content=body, headers=headers
        )

    return post


@pytest.fixture
def work(shop: Any) -> Callable[[], Awaitable[None]]:
    """``await work()``: make the sizes of all images that wait."""
    from transactional.images.tasks import make_sizes

    async def run() -> None:
        while await make_sizes(shop.core):
            pass

    return run
