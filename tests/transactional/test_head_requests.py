"""HEAD says what GET would, without the body, where anybody may read; elsewhere it is refused as before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from lakefront.ids import new_id

Create = Callable[..., Awaitable[Any]]
OF_EACH_REQUEST = ("x-correlation-id", "ratelimit", "ratelimit-policy", "date")


def lasting(answer: httpx.Response) -> dict[str, str]:
    """The headers that are the same for the same answer."""
    return {name: value for name, value in answer.headers.items() if name not in OF_EACH_REQUEST}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/products/{product_id}",
        "/api/v1/products",
        "/api/v1/products/{product_id}/reviews",
        "/api/v1/categories",
        "/api/v1/facets",
        "/api/v1/auth/openid",
        "/docs",
        "/openapi.json",
        "/health/live",
    ],
)
async def test_head_has_the_headers_of_get_and_no_body(
    client: httpx.AsyncClient, create_product: Create, path: str
) -> None:
    url = path.format(product_id=(await create_product())["product_id"])
    unknown = await client.head(url)  # by its route; afterwards some of them are kept
    got = await client.get(url)
    kept = await client.head(url)
    assert (got.status_code, len(got.content) > 0) == (200, True)
    for head in (unknown, kept):
        assert (head.status_code, head.content) == (200, b"")
        assert lasting(head) == lasting(got)


async def test_head_of_what_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    for path in (f"/api/v1/products/{new_id()}", f"/images/{'a' * 64}.webp"):
        answer = await client.head(path)
        assert (answer.status_code, answer.content) == (404, b"")


async def test_head_is_answered_from_what_the_browser_has(client: httpx.AsyncClient, create_product: Create) -> None:
    url = f"/api/v1/products/{(await create_product())['product_id']}"
    etag = (await client.get(url)).headers["etag"]
    assert (await client.head(url, headers={"If-None-Match": etag})).status_code == 304


async def test_head_is_refused_where_it_matters_who_asks(client: httpx.AsyncClient) -> None:
    order = f"/api/v1/orders/{new_id()}"
    for path in (order, f"{order}/updates", "/api/v1/users/profile", "/api/v1/audit", "/api/v1/auth/login"):
        assert (await client.head(path)).status_code == 405


def test_the_description_of_the_api_names_no_head(app: FastAPI) -> None:
    assert [path for path, methods in app.openapi()["paths"].items() if "head" in methods] == []
