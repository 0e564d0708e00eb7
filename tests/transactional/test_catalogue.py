"""The catalogue: listing, pages, lists by cursor, and what a bad request is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from lakefront.ids import new_id
from transactional.catalogue import service as catalogue

Create = Callable[..., Awaitable[dict[str, Any]]]


async def outbox_of(app: FastAPI, key: str) -> list[dict[str, Any]]:
    async with app.state.core.db.connection() as connection:
        found = await connection.execute("SELECT envelope FROM outbox WHERE envelope LIKE %s ORDER BY id", [f"%{key}%"])
        return [orjson.loads(row[0]) for row in await found.fetchall()]


async def test_a_listed_product_has_a_page(client: httpx.AsyncClient, create_product: Create) -> None:
    listed = await create_product(price="39.90", currency="USD", category="home/kitchen", stock={"main": 7, "east": 3})
    answer = await client.get(f"/api/v1/products/{listed['product_id']}")
    assert answer.status_code == 200
    page = answer.json()
    assert page["price"] == page["base_price"] == "39.90"
    assert page["category"]["path"] == "home/kitchen"
    assert page["category"]["name"] == "Kitchen"
    assert page["available"] == 10
    assert page["version"] == 2
    assert page["created_at"].endswith("Z")


async def test_money_has_its_currencys_decimals(client: httpx.AsyncClient, create_product: Create) -> None:
    for currency, sent, shown in (("JPY", 1250, "1250"), ("KWD", "1.5", "1.500"), ("EUR", 12.5, "12.50")):
        listed = await create_product(currency=currency, price=sent)
        page = (await client.get(f"/api/v1/products/{listed['product_id']}")).json()
        assert page["price"] == shown


async def test_listing_tells_the_world_in_sequence(app: FastAPI, create_product: Create) -> None:
    listed = await create_product(price="5.00", stock={"main": 2})
    events = [event for event in await outbox_of(app, listed["product_id"]) if event["key"] == listed["product_id"]]
    assert [(event["event_type"], event["sequence"]) for event in events] == [
        ("catalogue.product.listed.v1", 1),
        ("pricing.price.changed.v1", 2),
    ]
    assert events[1]["data"]["price"] == "5.00"
    assert events[1]["data"]["reason"] == "listing"
    assert events[0]["metadata"]["correlation_id"]


async def test_all_products_of_a_request_or_none(
    client: httpx.AsyncClient, create_product: Create, internal: dict[str, str]
) -> None:
    known = await create_product()
    fresh = f"SKU-{new_id().hex}"
    products = [
        {"sku": sku, "title": "x", "category": "tests/things", "price": "1.00"} for sku in (fresh, known["sku"])
    ]
    answer = await client.post("/api/v1/products", json={"products": products}, headers=internal)
    assert answer.status_code == 409
    assert answer.json()["code"] == "sku_exists"
    assert answer.json()["skus"] == [known["sku"]]
    again = await client.post("/api/v1/products", json={"products": products[:1]}, headers=internal)
    assert again.status_code == 201  # the refused request left nothing behind


async def test_the_same_new_categories_at_the_same_time(client: httpx.AsyncClient, internal: dict[str, str]) -> None:
    path = f"race-{new_id().hex[-8:]}/deep/deeper"

    async def list_one() -> int:
        product = {"sku": f"SKU-{new_id().hex}", "title": "x", "category": path, "price": "1.00"}
        return (await client.post("/api/v1/products", json={"products": [product]}, headers=internal)).status_code

    assert await asyncio.gather(*(list_one() for _ in range(6))) == [201] * 6
    categories = (await client.get("/api/v1/categories")).json()["items"]
    assert [item["path"] for item in categories if item["path"].startswith(path.split("/", maxsplit=1)[0])] == [
        path.split("/", maxsplit=1)[0],
        "/".join(path.split("/")[:2]),
        path,
    ]


@pytest.mark.parametrize("sort", ["newest", "price"])
async def test_pages_by_cursor_show_each_product_once(
    client: httpx.AsyncClient, create_product: Create, sort: str
) -> None:
    category = f"cursor-{new_id().hex[-8:]}"
    prices = ["3.00", "1.00", "2.00", "1.00", "3.00", "1.00", "2.50"]
    made = [await create_product(category=category, price=price) for price in prices]
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(4):
        params = {"category": category, "limit": 3, "sort": sort} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/v1/products", params=params)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert cursor is None
    assert len(seen) == len(made)
    assert {item["product_id"] for item in seen} == {item["product_id"] for item in made}
    if sort == "price":
        assert [item["price"] for item in seen] == sorted(prices)
    else:
        assert [item["product_id"] for item in seen] == [item["product_id"] for item in reversed(made)]


async def test_a_full_last_page_has_no_next(client: httpx.AsyncClient, create_product: Create) -> None:
    category = f"full-{new_id().hex[-8:]}"
    for _ in range(2):
        await create_product(category=category)
    page = (await client.get("/api/v1/products", params={"category": category, "limit": 2})).json()
    assert len(page["items"]) == 2
    assert page["next_cursor"] is None


async def test_filters_by_price_and_category_tree(client: httpx.AsyncClient, create_product: Create) -> None:
    root = f"tree-{new_id().hex[-8:]}"
    cheap = await create_product(category=f"{root}/leaf", price="5.00", stock={"main": 1})
    await create_product(category=root, price="50.00")
    page = (await client.get("/api/v1/products", params={"category": root, "price_min": 4, "price_max": "10"})).json()
    assert [(item["product_id"], item["in_stock"]) for item in page["items"]] == [(cheap["product_id"], True)]
    second = (
        await client.get("/api/v1/products", params={"category": root, "limit": 1, "page": 2, "sort": "price"})
    ).json()
    assert [item["price"] for item in second["items"]] == ["50.00"]


async def test_a_page_is_rendered_once_for_many(
    app: FastAPI, client: httpx.AsyncClient, create_product: Create
) -> None:
    listed = await create_product()
    url = f"/api/v1/products/{listed['product_id']}"
    bodies = await asyncio.gather(*(client.get(url) for _ in range(5)))
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE products SET title = 'changed' WHERE id = %s", [listed["product_id"]])
    kept = await client.get(url)
    assert {answer.content for answer in bodies} == {kept.content}
    catalogue.forget_product(catalogue.UUID(listed["product_id"]))
    assert (await client.get(url)).json()["title"] == "changed"
    unchanged = await client.get(url, headers={"If-None-Match": (await client.get(url)).headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price": "-1"}, "price"),
        ({"price": "12.505"}, "products.0"),
        ({"price": "NaN"}, "price"),
        ({"currency": "usd"}, "currency"),
        ({"title": ""}, "title"),
        ({"category": "Home/Kitchen"}, "category"),
        ({"stock": {"main": -1}}, "stock"),
        ({"colour": "red"}, "colour"),
        ({"title": "nul\x00"}, "title"),
    ],
)
async def test_a_bad_product_is_named(
    client: httpx.AsyncClient, internal: dict[str, str], change: dict[str, Any], field: str
) -> None:
    product = {"sku": "X-1", "title": "x", "category": "tests", "price": "1.00"} | change
    answer = await client.post("/api/v1/products", json={"products": [product]}, headers=internal)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    assert field in problem["errors"][0]["field"]


@pytest.mark.parametrize("currency", ["ZZZ", "XTS", "XXX", "XAU"])
@pytest.mark.parametrize("field", ["currency", "prices", "variants"])
async def test_nothing_is_priced_in_what_is_no_currency(
    client: httpx.AsyncClient, internal: dict[str, str], field: str, currency: str
) -> None:
    product: dict[str, Any] = {"sku": f"no-{new_id().hex}", "title": "x", "category": "tests", "price": "1.00"}
    product |= {
        "currency": {"currency": currency},
        "prices": {"prices": {currency: "1.00"}},
        "variants": {"variants": [{"sku": "no-variant", "options": {"size": "M"}, "prices": {currency: "1.00"}}]},
    }[field]
    answer = await client.post("/api/v1/products", json={"products": [product]}, headers=internal)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
    assert f"{currency} is no currency of ISO 4217" in answer.text


async def test_shoppers_may_not_list(client: httpx.AsyncClient, create_user: Callable[..., Awaitable[Any]]) -> None:
    body = {"products": [{"sku": "X-1", "title": "x", "category": "tests", "price": "1.00"}]}
    assert (await client.post("/api/v1/products", json=body)).status_code == 401
    shopper = await create_user()
    assert (await client.post("/api/v1/products", json=body, headers=shopper.headers)).status_code == 403


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/products/01920000-0000-7000-8000-00000000dead", 404, "product_not_found"),
        ("/api/v1/products/not-an-id", 422, "invalid_request"),
        ("/api/v1/products?category=no/such", 404, "category_not_found"),
        ("/api/v1/products?limit=0", 422, "invalid_request"),
        ("/api/v1/products?cursor=%00%ff", 422, "invalid_cursor"),
        ("/api/v1/products?cursor=bmV3ZXN0", 422, "invalid_cursor"),
        ("/api/v1/products?price_min=9&price_max=1", 422, "invalid_request"),
        ("/api/v1/nowhere", 404, "not_found"),
    ],
)
async def test_bad_reads_are_problems(client: httpx.AsyncClient, path: str, status: int, code: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
