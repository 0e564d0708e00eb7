"""Accounts to whom products were delivered, what they write, and who decides about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

REVIEW = {"rating": 4, "title": "Boils fast", "text": "Half a year of daily use and not a dent."}


@pytest.fixture
def deliver(shop: Any) -> Callable[..., Awaitable[str]]:
    """``await deliver(user, product, status="shipped")``: an order of it that is past its checkout; its id."""

    async def make(user: Any, product: dict[str, Any], status: str = "delivered", **order: Any) -> str:
        placed = await shop.order(user.headers, product, **order)
        assert placed.status_code == 201, placed.text
        order_id = placed.json()["order_id"]
        await shop.sql("UPDATE orders SET status = %s WHERE id = %s", status, order_id)
        return order_id

    return make


@pytest.fixture
def post(client: httpx.AsyncClient) -> Callable[..., Awaitable[httpx.Response]]:
    """``await post(user, product, rating=5)``: a review is written."""

    async def write(user: Any, product: dict[str, Any], **fields: Any) -> httpx.Response:
        body = REVIEW | fields
        path = f"/api/v1/products/{product['product_id']}/reviews"
        return await client.post(path, json=body, headers=user.headers)

    return write


@pytest.fixture
def decide(client: httpx.AsyncClient, internal: dict[str, str]) -> Callable[..., Awaitable[httpx.Response]]:
    """``await decide("approve", review)``, ``await decide("reject", review, reason="offensive")``: as the shop's own processes
    or whoever's headers are given."""

    async def send(
        what: str, review: dict[str, Any], headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        body = {"version": review["version"], **({"reason": "offensive"} if what == "reject" else {}), **fields}
        return await client.post(
            f"/api/v1/reviews/{review['review_id']}/{what}", json=body, headers=headers or internal
        )

    return send


@pytest.fixture
def reviewed(
    create_user: Any, deliver: Any, post: Any, decide: Any
) -> Callable[..., Awaitable[tuple[Any, dict[str, Any]]]]:
    """``await reviewed(product, rating=5)``: somebody new bought it, wrote of it, and it was approved."""

    async def make(product: dict[str, Any], **fields: Any) -> tuple[Any, dict[str, Any]]:
        user = await create_user(name="Ada Lovelace")
        await deliver(user, product)
        written = await post(user, product, **fields)
        assert written.status_code == 201, written.text
        approved = await decide("approve", written.json())
        assert approved.status_code == 200, approved.text
        return user, approved.json()

    return make


@pytest.fixture
def shown(client: httpx.AsyncClient) -> Callable[..., Awaitable[dict[str, Any]]]:
    """``await shown(product, sort="highest")``: a page of its reviews."""

    async def read(product: dict[str, Any], **params: Any) -> dict[str, Any]:
        answer = await client.get(f"/api/v1/products/{product['product_id']}/reviews", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return read


@pytest.fixture
def staff(client: httpx.AsyncClient, create_user: Any, internal: dict[str, str]) -> Callable[..., Awaitable[Any]]:
    """``await staff("moderator")``: headers of an account with that role, and its id."""

    async def make(role: str, user: Any = None) -> tuple[dict[str, str], str]:
        user = user or await create_user()
        path = f"/api/v1/users/{user.user_id}/role"
        assert (await client.put(path, json={"role": role}, headers=internal)).status_code == 204
        login = {"email": user.email, "password": user.password}
        tokens = (await client.post("/api/v1/auth/login", json=login)).json()
        return {"Authorization": f"Bearer {tokens['access_token']}"}, user.user_id

    return make
