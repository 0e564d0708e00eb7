"""Lists of products: narrowed by what products are, sorted, paged by cursor, and what they can be narrowed by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from lakefront.ids import new_id
from transactional.catalogue import service as catalogue

Create = Callable[..., Awaitable[dict[str, Any]]]


@pytest_asyncio.fixture
async def shelf(create_product: Create) -> dict[str, str]:
    """Four products of one category and below it: the ids by name, and the category's path."""
    root = f"shelf-{new_id().hex[-10:]}"
    size = [{"sku": f"{root}-{one}", "options": {"size": one}, "stock": {"main": 1}} for one in ("M", "L")]
    described: dict[str, dict[str, Any]] = {
        "shirt": {"price": "49.00", "brand": "Norrland", "attributes": {"material": "linen"}, "variants": size},
        "towel": {"price": "12.00", "brand": "Norrland", "attributes": {"material": "cotton", "wash": 60}},
        "sheet": {"price": "80.00", "brand": "Fjord", "attributes": {"material": ["cotton", "linen"]}},
        "lamp": {"price": "30.00", "seller": "lamps-ab", "tags": ["sale", "new"], "category": f"{root}/light"},
    }
    made = {name: await create_product(**{"category": root, **one}) for name, one in described.items()}
    return {name: one["product_id"] for name, one in made.items()} | {"root": root}


async def names(client: httpx.AsyncClient, shelf: dict[str, str], **params: Any) -> list[str]:
    answer = await client.get("/api/v1/products", params={"category": shelf["root"], **params})
    assert answer.status_code == 200, answer.text
    by_id = {product_id: name for name, product_id in shelf.items()}
    return [by_id[item["product_id"]] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"brand": "Norrland"}, ["towel", "shirt"]),
        ({"brand": ["Norrland", "Fjord"]}, ["sheet", "towel", "shirt"]),
        ({"seller": "lamps-ab"}, ["lamp"]),
        ({"tag": ["new", "sale"]}, ["lamp"]),
        ({"tag": ["new", "old"]}, []),
        ({"attribute": "material:linen"}, ["sheet", "shirt"]),
        ({"attribute": ["material:linen", "material:cotton"]}, ["sheet", "towel", "shirt"]),
        ({"attribute": ["material:linen", "size:L"]}, ["shirt"]),
        ({"attribute": ["size:M", "size:XL"]}, ["shirt"]),
        ({"attribute": "wash:60"}, ["towel"]),
        ({"attribute": "wash:60", "brand": "Fjord"}, []),
        ({"price_min": "20", "price_max": "60"}, ["lamp", "shirt"]),
        ({"sort": "price"}, ["towel", "lamp", "shirt", "sheet"]),
        ({"sort": "price_desc"}, ["sheet", "shirt", "lamp", "towel"]),
    ],
)
async def test_a_list_holds_what_is_asked_for(
    client: httpx.AsyncClient, shelf: dict[str, str], params: dict[str, Any], expected: list[str]
) -> None:
    assert await names(client, shelf, **params) == expected


async def test_what_is_bought_most_stands_first(
    shop: Any, client: httpx.AsyncClient, guest: dict[str, str], shelf: dict[str, str], internal: dict[str, str]
) -> None:
    await shop.client.post(
        "/api/v1/inventory/receipts",
        json={"receipts": [{"product_id": shelf["towel"], "warehouse": "main", "quantity": 5}]},
        headers=internal,
    )
    page = (await client.get(f"/api/v1/products/{shelf['shirt']}")).json()
    for product_id, units in ((shelf["towel"], 3), *((one["variant_id"], 1) for one in page["variants"])):
        assert (await shop.order(guest, {"product_id": product_id}, units)).status_code == 201
    await catalogue.count_popularity(shop.core)
    counted = await shop.sql("SELECT popularity FROM products WHERE id = ANY(%s::uuid[]) ORDER BY popularity", [
        shelf["towel"], shelf["shirt"], shelf["lamp"],
    ])  # fmt: skip
    assert [units for (units,) in counted] == [0, 2, 3]
    assert await names(client, shelf, sort="popularity") == ["towel", "shirt", "lamp", "sheet"]


@pytest.mark.parametrize("sort", ["newest", "price", "price_desc", "popularity"])
async def test_every_sort_pages_through_each_product_once(
    client: httpx.AsyncClient, shelf: dict[str, str], sort: str
) -> None:
    whole = await names(client, shelf, sort=sort)
    params = {"category": shelf["root"], "sort": sort, "limit": 1}
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(4):
        page = (await client.get("/api/v1/products", params=params | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["product_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == [shelf[name] for name in whole]
    assert len(seen) == 4


async def test_facets_count_what_the_list_can_be_narrowed_by(client: httpx.AsyncClient, shelf: dict[str, str]) -> None:
    answer = await client.get("/api/v1/facets", params={"category": shelf["root"]})
    assert answer.headers["cache-control"] == "public, max-age=1, s-maxage=900, stale-while-revalidate=4"
    found = answer.json()
    assert (found["products"], found["complete"]) == (4, True)
    assert found["brands"] == [{"value": "Norrland", "products": 2}, {"value": "Fjord", "products": 1}]
    assert found["categories"] == [{"path": f"{shelf['root']}/light", "name": "Light", "products": 1}]
    assert found["sellers"] == [{"value": "lamps-ab", "products": 1}]
    assert found["tags"] == [{"value": "new", "products": 1}, {"value": "sale", "products": 1}]
    assert found["prices"] == [{"currency": "USD", "lowest": "12.00", "highest": "80.00"}]
    assert found["attributes"][0] == {
        "name": "material",
        "values": [{"value": "cotton", "products": 2}, {"value": "linen", "products": 2}],
    }
    assert found["attributes"][1]["name"] == "size"
    narrowed = (await client.get("/api/v1/facets", params={"category": shelf["root"], "brand": "Fjord"})).json()
    assert narrowed["products"] == 1
    assert [one["name"] for one in narrowed["attributes"]] == ["material"]


async def test_brands_that_were_not_chosen_are_still_offered(client: httpx.AsyncClient, shelf: dict[str, str]) -> None:
    asked = {"category": shelf["root"], "brand": "Fjord", "attribute": "material:linen"}
    found = (await client.get("/api/v1/facets", params=asked)).json()
    assert found["brands"] == [{"value": "Fjord", "products": 1}, {"value": "Norrland", "products": 1}]
    assert found["prices"] == [{"currency": "USD", "lowest": "80.00", "highest": "80.00"}]


async def test_chosen_brands_are_told_before_commoner_ones(
    client: httpx.AsyncClient, shelf: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "FACET_VALUES", 1)
    found = (await client.get("/api/v1/facets", params={"category": shelf["root"], "brand": "Fjord"})).json()
    assert found["brands"] == [{"value": "Fjord", "products": 1}]


async def test_facets_of_a_long_list_leave_out_no_category_brand_or_price(
    client: httpx.AsyncClient, internal: dict[str, str], create_product: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest products are the only ones of their category, brand and seller, and the dearest and the cheapest."""
    monkeypatch.setattr(catalogue, "COUNTED_PRODUCTS", 20)
    monkeypatch.setattr(catalogue, "FACET_VALUES", 2)
    root = f"long-{new_id().hex[-10:]}"
    await create_product(category=f"{root}/old", price="371.00", brand="Elder", seller="elders-ab")
    await create_product(category=f"{root}/older/deep", price="0.50", brand="Elder")
    new = [
        {"sku": f"{root}-{number}", "title": "New", "category": f"{root}/new", "price": "19.99", "tags": ["sale"]}
        | {"attributes": {"colour": "red" if number % 2 else "blue"}}
        for number in range(100)
    ]
    assert (await client.post("/api/v1/products", json={"products": new}, headers=internal)).status_code == 201
    found = (await client.get("/api/v1/facets", params={"category": root})).json()
    assert (found["products"], found["complete"]) == (102, False)
    assert {one["path"]: one["products"] for one in found["categories"]} == {
        f"{root}/new": 100,
        f"{root}/old": 1,
        f"{root}/older": 1,
    }
    assert found["brands"] == [{"value": "Elder", "products": 2}]
    assert found["sellers"] == [{"value": "elders-ab", "products": 1}]
    assert found["prices"] == [{"currency": "USD", "lowest": "0.50", "highest": "371.00"}]
    ((tag, tagged),) = [(one["value"], one["products"]) for one in found["tags"]]
    assert tag == "sale" and 51 <= tagged <= 102  # an estimate of 100 from about every sixth product
    (colour,) = found["attributes"]
    assert colour["name"] == "colour"
    assert 50 <= sum(one["products"] for one in colour["values"]) <= 103
    whole = (await client.get("/api/v1/facets", params={"category": f"{root}/old"})).json()
    assert (whole["products"], whole["complete"]) == (1, True)


async def test_breadcrumbs_lead_from_the_root(client: httpx.AsyncClient, shelf: dict[str, str]) -> None:
    found = (await client.get("/api/v1/categories")).json()["items"]
    (deep,) = [one["category_id"] for one in found if one["path"] == f"{shelf['root']}/light"]
    crumbs = (await client.get(f"/api/v1/categories/{deep}/breadcrumbs")).json()["items"]
    assert [one["path"] for one in crumbs] == [shelf["root"], f"{shelf['root']}/light"]
    assert (await client.get(f"/api/v1/products/{shelf['lamp']}")).json()["breadcrumbs"] == crumbs


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/products?attribute=material", 422, "invalid_request"),
        ("/api/v1/products?sort=best", 422, "invalid_request"),
        ("/api/v1/facets?category=no/such", 404, "category_not_found"),
        ("/api/v1/facets?price_min=9&price_max=1", 422, "invalid_request"),
        ("/api/v1/categories/01920000-0000-7000-8000-00000000dead/breadcrumbs", 404, "category_not_found"),
    ],
)
async def test_lists_that_cannot_be(client: httpx.AsyncClient, path: str, status: int, code: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_titles_of_a_list_in_another_language(client: httpx.AsyncClient, create_product: Create) -> None:
    category = f"language-{new_id().hex[-8:]}"
    await create_product(category=category, title="Kettle", translations={"de": {"title": "Kessel"}})
    page = (await client.get("/api/v1/products", params={"category": category, "language": "de"})).json()
    assert [item["title"] for item in page["items"]] == ["Kessel"]
