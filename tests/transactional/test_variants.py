"""Products with variants: what is shown, what is sold, and what one who names none is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from lakefront.ids import new_id
from transactional.catalogue import service as catalogue

Create = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def create_shirt(create_product: Create) -> Create:
    """A shirt in M and L, the larger one dearer and heavier: what was sent, with the ids by size."""

    async def create(**fields: Any) -> dict[str, Any]:
        name = new_id().hex[-12:]
        variants = [
            {
                "sku": f"M-{name}",
                "options": {"size": "M", "colour": "white"},
                "stock": {"main": 5},
                "weight_grams": 220,
            },
            {"sku": f"L-{name}", "options": {"size": "L", "colour": "white"}, "stock": {"main": 3}, "price": "52.00"},
        ]
        made = await create_product(
            title="Linen shirt", price="49.00", weight_grams=260, variants=variants, prices={"EUR": "45.00"}, **fields
        )
        medium, large = (one["variant_id"] for one in made["variants"])
        return {**made, "M": medium, "L": large}

    return create


async def page_of(client: httpx.AsyncClient, product_id: str, **params: Any) -> dict[str, Any]:
    catalogue.pages.clear()
    catalogue.lists.clear()
    answer = await client.get(f"/api/v1/products/{product_id}", params=params)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_a_product_page_shows_its_variants(client: httpx.AsyncClient, create_shirt: Create) -> None:
    shirt = await create_shirt()
    page = await page_of(client, shirt["product_id"])
    assert (page["title"], page["price"], page["available"]) == ("Linen shirt", "49.00", 8)
    assert page["options"] == [{"name": "size", "values": ["M", "L"]}, {"name": "colour", "values": ["white"]}]
    medium, large = page["variants"]
    assert (medium["variant_id"], medium["price"], medium["available"], medium["weight_grams"]) == (
        shirt["M"], "49.00", 5, 220,
    )  # fmt: skip
    assert (large["variant_id"], large["price"], large["available"], large["weight_grams"]) == (
        shirt["L"], "52.00", 3, 260,
    )  # fmt: skip
    assert (medium["prices"], large["prices"]) == ({"EUR": "45.00"}, {})
    own = await page_of(client, shirt["L"])
    assert (own["title"], own["parent_id"]) == ("Linen shirt (L, white)", shirt["product_id"])


async def test_a_simple_product_is_its_own_only_variant(client: httpx.AsyncClient, create_product: Create) -> None:
    made = await create_product(price="5.00", stock={"main": 2}, weight_grams=90)
    page = await page_of(client, made["product_id"])
    (only,) = page["variants"]
    assert (only["variant_id"], only["sku"], only["available"]) == (made["product_id"], made["sku"], 2)
    assert (page["options"], page["parent_id"]) == ([], None)


async def test_an_order_takes_the_named_variant(shop: Any, guest: dict[str, str], create_shirt: Create) -> None:
    shirt = await create_shirt()
    body = shop.body(shirt)
    body["items"] = [{"product_id": shirt["product_id"], "variant_id": shirt["L"], "quantity": 2, "price": "52.00"}]
    answer = await shop.client.post("/api/v1/orders", json=body, headers=guest)
    assert answer.status_code == 201, answer.text
    assert answer.json()["total_amount"] == "104.00"
    (line,) = answer.json()["items"]
    assert (line["product_id"], line["title"]) == (shirt["L"], "Linen shirt (L, white)")
    assert [await shop.available({"product_id": shirt[size]}) for size in ("M", "L")] == [5, 1]


async def test_who_names_no_variant_is_told_which_there_are(
    shop: Any, guest: dict[str, str], create_shirt: Create, internal: dict[str, str]
) -> None:
    shirt = await create_shirt()
    ordered = await shop.order(guest, shirt)
    carted = await shop.client.post("/api/v1/cart/items", json={"product_id": shirt["product_id"]}, headers=guest)
    reserved = await shop.client.post(
        "/api/v1/inventory/reserve",
        json={"items": [{"product_id": shirt["product_id"], "quantity": 1}]},
        headers=internal,
    )
    for answer in (ordered, carted, reserved):
        assert (answer.status_code, answer.json()["code"]) == (422, "variant_required")
        assert [one["variant_id"] for one in answer.json()["variants"]] == [shirt["M"], shirt["L"]]


async def test_another_products_variant_is_refused_everywhere(
    shop: Any, guest: dict[str, str], create_shirt: Create, create_product: Create, internal: dict[str, str]
) -> None:
    shirt, kettle = await create_shirt(), await create_product(stock={"main": 3})
    line = {"product_id": kettle["product_id"], "variant_id": shirt["M"], "quantity": 1}
    ordered = await shop.client.post("/api/v1/orders", json={**shop.body(kettle), "items": [line]}, headers=guest)
    carted = await shop.client.post("/api/v1/cart/items", json=line, headers=guest)
    reserved = await shop.client.post("/api/v1/inventory/reserve", json={"items": [line]}, headers=internal)
    counted = await shop.client.put(
        f"/api/v1/inventory/{kettle['product_id']}/quantity",
        json={"variant_id": shirt["M"], "warehouse": "main", "quantity": 9},
        headers=internal,
    )
    assert [answer.json()["code"] for answer in (ordered, carted, reserved, counted)] == ["unknown_variant"] * 4
    assert await shop.available({"product_id": shirt["M"]}) == 5


async def test_a_cart_with_two_variants_is_ordered(shop: Any, guest: dict[str, str], create_shirt: Create) -> None:
    shirt = await create_shirt()
    for size in ("M", "L"):
        item = {"product_id": shirt["product_id"], "variant_id": shirt[size], "quantity": 1}
        cart = await shop.client.post("/api/v1/cart/items", json=item, headers=guest)
        assert cart.status_code == 201, cart.text
    assert [line["title"] for line in cart.json()["items"]] == ["Linen shirt (M, white)", "Linen shirt (L, white)"]
    body = {name: one for name, one in shop.body(shirt).items() if name != "items"}
    answer = await shop.client.post("/api/v1/orders", json={**body, "cart_id": cart.json()["cart_id"]}, headers=guest)
    assert (answer.status_code, answer.json()["total_amount"]) == (201, "101.00")


async def test_stock_of_a_product_is_that_of_its_variants(
    client: httpx.AsyncClient, create_shirt: Create, internal: dict[str, str]
) -> None:
    shirt = await create_shirt()
    url = f"/api/v1/inventory/{shirt['product_id']}"
    assert (await client.get(f"{url}/stock")).json()["available"] == 8
    assert (await client.get(f"{url}/stock", params={"variant_id": shirt["L"]})).json()["available"] == 3
    counted = await client.put(
        f"{url}/quantity", json={"variant_id": shirt["L"], "warehouse": "main", "quantity": 7}, headers=internal
    )
    assert (counted.status_code, counted.json()["available"]) == (200, 7)
    receipt = {"product_id": shirt["product_id"], "variant_id": shirt["M"], "warehouse": "main", "quantity": 10}
    received = await client.post("/api/v1/inventory/receipts", json={"receipts": [receipt]}, headers=internal)
    assert received.status_code == 201
    assert (await client.get(f"{url}/stock")).json()["available"] == 22


async def test_a_list_shows_the_product_once_at_its_cheapest_variant(
    shop: Any, client: httpx.AsyncClient, create_shirt: Create
) -> None:
    category = f"shirts-{new_id().hex[-8:]}"
    shirt = await create_shirt(category=category)
    (item,) = (await client.get("/api/v1/products", params={"category": category})).json()["items"]
    assert (item["product_id"], item["price"], item["has_variants"], item["in_stock"]) == (
        shirt["product_id"], "49.00", True, True,
    )  # fmt: skip
    await shop.sql("UPDATE products SET price = 60 WHERE id = %s", shirt["M"])
    assert (await page_of(client, shirt["product_id"]))["price"] == "52.00"
    await shop.sql("UPDATE products SET status = 'discontinued' WHERE id = %s", shirt["L"])
    assert (await page_of(client, shirt["product_id"]))["price"] == "60.00"


async def test_each_variant_tells_of_itself(shop: Any, create_shirt: Create) -> None:
    shirt = await create_shirt()
    listed, priced = await shop.facts(shirt["L"])
    assert (listed["event_type"], listed["sequence"]) == ("catalogue.product.listed.v1", 1)
    assert listed["data"]["parent_id"] == shirt["product_id"]
    assert listed["data"]["options"] == {"size": "L", "colour": "white"}
    assert (priced["data"]["price"], priced["sequence"]) == ("52.00", 2)
    own, _ = await shop.facts(shirt["product_id"])
    assert (own["data"]["has_variants"], own["data"]["price"]) == (True, "49.00")


@pytest.mark.parametrize(
    ("variants", "extra", "said"),
    [
        ([{"size": "M"}, {"size": "M"}], {}, "two of them choose the same"),
        ([{"size": "M"}, {"colour": "red"}], {}, "choose the same options"),
        ([{"size": "M"}], {"stock": {"main": 1}}, "it is of variants"),
    ],
)
async def test_variants_that_cannot_be_told_apart_are_refused(
    client: httpx.AsyncClient,
    internal: dict[str, str],
    variants: list[dict[str, str]],
    extra: dict[str, Any],
    said: str,
) -> None:
    name = new_id().hex
    product = {
        "sku": name, "title": "x", "category": "tests", "price": "1.00",
        "variants": [{"sku": f"{name}-{number}", "options": one} for number, one in enumerate(variants)], **extra,
    }  # fmt: skip
    answer = await client.post("/api/v1/products", json={"products": [product]}, headers=internal)
    assert answer.status_code == 422
    assert said in answer.text


async def test_a_translation_is_shown_where_there_is_one(client: httpx.AsyncClient, create_product: Create) -> None:
    made = await create_product(title="Kettle", translations={"de": {"title": "Kessel", "description": "Pfeift."}})
    german = await page_of(client, made["product_id"], language="de")
    french = await page_of(client, made["product_id"], language="fr")
    assert (german["title"], german["description"]) == ("Kessel", "Pfeift.")
    assert (french["title"], french["languages"]) == ("Kettle", ["de"])


async def test_attributes_obey_the_schemas_of_the_category_and_those_above(
    client: httpx.AsyncClient, create_product: Create, internal: dict[str, str]
) -> None:
    root = f"schema-{new_id().hex[-8:]}"
    await create_product(category=f"{root}/shirts")
    found = (await client.get("/api/v1/categories")).json()["items"]
    ids = {one["path"]: one["category_id"] for one in found}
    schemas = {
        root: {"required": ["material"], "properties": {"material": {"enum": ["linen", "cotton"]}}},
        f"{root}/shirts": {"properties": {"wash": {"type": "integer", "maximum": 95}}},
    }
    for path, schema in schemas.items():
        url = f"/api/v1/categories/{ids[path]}/attribute-schema"
        put = await client.put(url, json={"attribute_schema": schema}, headers=internal)
        assert (put.status_code, (await client.get(url)).json()["attribute_schema"]) == (200, schema)
    good = await create_product(category=f"{root}/shirts", attributes={"material": "linen", "wash": 40})
    assert good["product_id"]
    for attributes, said in (
        ({"wash": 40}, "'material' is a required property"),
        ({"material": "silk"}, "$.material: 'silk' is not one of"),
        ({"material": "linen", "wash": 100}, "$.wash: 100 is greater than the maximum of 95"),
    ):
        body = {"sku": new_id().hex, "title": "x", "category": f"{root}/shirts", "price": "1", "attributes": attributes}
        answer = await client.post("/api/v1/products", json={"products": [body]}, headers=internal)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_attributes")
        assert said in answer.json()["mistakes"][0]


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "https://example.com/schema"}])
async def test_a_schema_that_is_none_or_reaches_outside_is_refused(
    client: httpx.AsyncClient, create_product: Create, internal: dict[str, str], schema: dict[str, Any]
) -> None:
    await create_product()
    category_id = (await client.get("/api/v1/categories")).json()["items"][0]["category_id"]
    url = f"/api/v1/categories/{category_id}/attribute-schema"
    answer = await client.put(url, json={"attribute_schema": schema}, headers=internal)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_schema")
