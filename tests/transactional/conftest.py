"""The storefront API for tests: the real application on this worker's own PostgreSQL and Redis, and callers of each kind."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from lakefront.ids import new_id
from lakefront.secrets import secrets

_numbers = itertools.count(1)


@dataclass(frozen=True)
class User:
    """An account made for a test."""

    user_id: str
    email: str
    password: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


@pytest_asyncio.fixture
async def app(database_url: str, bus_url: str, store_url: str) -> AsyncIterator[FastAPI]:
    """The application with its connections open; ``app.state.core`` is its Core."""
    from transactional.app import create_app
    from transactional.catalogue import service as catalogue

    catalogue.pages.clear()
    catalogue.lists.clear()
    application = create_app()
    async with application.router.lifespan_context(application):
        yield application


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, from an address of its own so that no test spends another's rate limit."""
    number = next(_numbers) + int(new_id().int % 60_000) * 1_000
    peer = (f"172.{16 + (number >> 16) % 16}.{(number >> 8) % 256}.{number % 256}", 40_000)
    transport = httpx.ASGITransport(app=app, client=peer)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as made:
        yield made


@pytest.fixture
def internal(app: FastAPI) -> dict[str, str]:
    """Headers of our own processes."""
    return {"X-Internal-Key": secrets().internal_key}


@pytest.fixture
def guest() -> dict[str, str]:
    """Headers of a guest with a session of its own."""
    return {"X-Session-Id": f"session-{new_id()}"[:64]}


CreateUser = Callable[..., Awaitable[User]]
CreateProduct = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def create_user(client: httpx.AsyncClient) -> CreateUser:
    """``await create_user(email=…, country=…)``: registers through the API."""

    async def create(**fields: Any) -> User:
        password = fields.get("password", "correct horse battery")
        body = {"email": f"user-{new_id().hex}@example.com", "password": password, **fields}
        answer = await client.post("/api/v1/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        found = answer.json()
        return User(found["user_id"], body["email"], password, found["access_token"], found["refresh_token"])

    return create


@pytest.fixture
def create_product(client: httpx.AsyncClient, internal: dict[str, str]) -> CreateProduct:
    """``await create_product(price="9.90", stock={"main": 5})``: lists through the API; answers what was sent and the id."""

    async def create(**fields: Any) -> dict[str, Any]:
        sku = f"SKU-{new_id().hex}"
        product = {"sku": sku, "title": f"Product {sku[-6:]}", "category": "tests/things", "price": "10.00", **fields}
        answer = await client.post("/api/v1/products", json={"products": [product]}, headers=internal)
        assert answer.status_code == 201, answer.text
        return {**product, **answer.json()["items"][0]}

    return create
