"""Sellers as tests make them: through the API, approved by a merchandiser, each with a person who has logged in since."""

from __future__ import annotations

import io
import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from PIL import Image
from sellers_people import CATEGORY, SellerOf, log_in

from lakefront.ids import new_id
from transactional.catalogue import service as catalogue
from transactional.sellers import service as sellers


@pytest.fixture
def new_code() -> str:
    """A code that no other test has."""
    return f"seller-{new_id().hex}"


@pytest.fixture
def create_verified(shop: Any, create_user: Any) -> Callable[[], Awaitable[Any]]:
    """``await create_verified()``: an account whose e-mail address is verified."""

    async def create() -> Any:
        user = await create_user()
        await shop.sql("UPDATE users SET email_verified_at = now() WHERE id = %s", user.user_id)
        return user

    return create


@pytest.fixture
def set_status(client: httpx.AsyncClient, internal: dict[str, str]) -> Callable[..., Awaitable[httpx.Response]]:
    """``await set_status(code, "suspended")``: as our own processes."""

    async def put(code: str, status: str, **fields: Any) -> httpx.Response:
        path = f"/api/v1/sellers/{code}/status"
        return await client.put(path, json={"status": status, **fields}, headers=internal)

    return put


@pytest.fixture
def create_seller(
    client: httpx.AsyncClient, internal: dict[str, str], create_verified: Any, create_product: Any, set_status: Any
) -> Callable[..., Awaitable[SellerOf]]:
    """``await create_seller()``: applied, approved, and logged in again; its category and the warehouse `main` are there."""

    async def create() -> SellerOf:
        user, code = await create_verified(), f"seller-{new_id().hex}"
        body = {"code": code, "display_name": f"The {code}"}
        applied = await client.post("/api/v1/sellers", json=body, headers=user.headers)
        assert applied.status_code == 201, applied.text
        await create_product(category=CATEGORY, stock={"main": 1})
        approved = await set_status(code, "active")
        assert approved.status_code == 200, approved.text
        return SellerOf(code, user, await log_in(client, user), client)

    return create


@pytest.fixture
def settle(shop: Any) -> Callable[[], Awaitable[None]]:
    """``await settle()``: what workers do until all products follow their sellers; this worker forgets what it showed."""
    from transactional.sellers.tasks import settle_products

    async def run() -> None:
        while await settle_products(shop.core):
            pass
        for cache in (catalogue.pages, catalogue.lists, catalogue.facets, sellers.shown):
            cache.clear()

    return run


@pytest.fixture
def log_in_again(client: httpx.AsyncClient) -> Callable[[Any], Awaitable[dict[str, str]]]:
    """``await log_in_again(user)``: headers of a new login, whose token names the role of now."""

    async def run(user: Any) -> dict[str, str]:
        return await log_in(client, user)

    return run


@pytest.fixture
def picture() -> bytes:
    """A file that no other test has."""
    image, target = Image.new("RGB", (40, 30)), io.BytesIO()
    image.putdata([tuple(random.randbytes(3)) for _ in range(40 * 30)])
    image.save(target, "PNG")
    return target.getvalue()
