"""Changing a product after it was listed: what follows, who is told, and who comes too late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from lakefront.ids import new_id
from transactional.catalogue import service as catalogue
from transactional.catalogue.changing import change_product
from transactional.catalogue.errors import VersionConflict
from transactional.catalogue.schemas import ProductChange
from transactional.platform.authentication import Caller
from transactional.pricing.schemas import PriceChange
from transactional.pricing.service import change_prices

Create = Callable[..., Awaitable[dict[str, Any]]]
OURSELVES = Caller(None, None, "guest", None, None, "127.0.0.1", is_internal=True)


@pytest.fixture
def change(client: httpx.AsyncClient, internal: dict[str, str]) -> Callable[..., Awaitable[httpx.Response]]:
    """``await change(product_id, title="…")``: PATCH as the shop's own processes."""

    async def patch(product_id: str, **fields: Any) -> httpx.Response:
        return await client.patch(f"/api/v1/products/{product_id}", json=fields, headers=internal)

    return patch


@pytest.fixture
def create_shirt(create_product: Create) -> Create:
    """A linen shirt in M and L, of which L has a material and a weight of its own; the variants' ids by size."""

    async def create(**fields: Any) -> dict[str, Any]:
        name = new_id().hex[-12:]
        own = {"attributes": {"material": "hemp"}, "weight_grams": 300}
        variants = [
            {"sku": f"M-{name}", "options": {"size": "M"}, "stock": {"main": 5}},
            {"sku": f"L-{name}", "options": {"size": "L"}, "stock": {"main": 3}, "price": "52.00", **own},
        ]
        made = await create_product(
            title="Linen shirt", price="49.00", weight_grams=260, variants=variants,
            attributes={"material": "linen", "fit": "slim"}, **fields,
        )  # fmt: skip
        medium, large = (one["variant_id"] for one in made["variants"])
        return {**made, "M": medium, "L": large}

    return create


def test_the_document_has_no_default_for_what_a_change_leaves_out(app: FastAPI) -> None:
    """A client that is generated from it would send the default, and undo what it did not name."""
    document = app.openapi()
    changes = {
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method == "patch"
    } | {"ProfileChange", "WishlistChange"}
    assert "ProductChange" in changes
    schemas = {name: document["components"]["schemas"][name] for name in changes}
    assert [
        (name, field)
        for name, schema in schemas.items()
        for field, described in schema["properties"].items()
        if "default" in described
    ] == []
    assert schemas["ProductChange"]["examples"][0]["title"] == "Enamel kettle, 1.7 l"
    assert "required" not in schemas["ProductChange"]


async def page_of(client: httpx.AsyncClient, product_id: str, **params: Any) -> Any:
    catalogue.pages.clear()
    return (await client.get(f"/api/v1/products/{product_id}", params=params)).json()


async def listed(client: httpx.AsyncClient, category: str) -> list[str]:
    catalogue.lists.clear()
    answer = await client.get("/api/v1/products", params={"category": category, "sort": "price"})
    return [one["product_id"] for one in answer.json().get("items", [])]


async def test_what_is_named_changes_and_the_rest_stays(shop: Any, change: Any, create_product: Create) -> None:
    path = f"kitchen-{new_id().hex[-8:]}"
    made = await create_product(
        title="Kettle", description="Whistles.", category=path, brand="Norrland", tags=["new"], seller="norrland-ab",
        attributes={"colour": "blue", "whistle": True}, translations={"de": {"title": "Kessel"}, "fr": {"title": "B"}},
        weight_grams=900, dimensions_mm={"length": 200, "width": 150, "height": 180},
    )  # fmt: skip
    answer = await change(
        made["product_id"], title="Enamel kettle", category=f"{path}/kettles", brand=None, tags=["sale"],
        seller="soedra-ab", attributes={"colour": "green", "whistle": None},
        translations={"de": {"title": "Emaillekessel", "description": "Pfeift."}, "fr": None}, weight_grams=950,
        dimensions_mm={"length": 210, "width": 150, "height": 180},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == 3
    page = await page_of(shop.client, made["product_id"])
    (variant,) = page["variants"]
    assert (page["title"], page["description"], page["brand"], page["tags"]) == (
        "Enamel kettle", "Whistles.", None, ["sale"],
    )  # fmt: skip
    assert (page["category"]["path"], page["seller"], page["languages"]) == (f"{path}/kettles", "soedra-ab", ["de"])
    assert (page["attributes"], variant["weight_grams"]) == ({"colour": "green"}, 950)
    assert variant["dimensions_mm"] == {"length": 210, "width": 150, "height": 180}
    assert page["price"] == "10.00"
    german = await page_of(shop.client, made["product_id"], language="de")
    assert (german["title"], german["description"]) == ("Emaillekessel", "Pfeift.")
    narrowed = await shop.client.get("/api/v1/products", params={"category": path, "attribute": "colour:green"})
    assert [one["product_id"] for one in narrowed.json()["items"]] == [made["product_id"]]


async def test_a_change_is_told_and_noted_with_who_made_it(
    shop: Any, internal: dict[str, str], change: Any, create_product: Create
) -> None:
    made = await create_product(title="Kettle")
    await change(made["product_id"], title="Enamel kettle", status="inactive")
    told = (await shop.facts(made["product_id"]))[-1]
    assert (told["event_type"], told["sequence"]) == ("catalogue.product.listed.v1", 3)
    assert (told["data"]["title"], told["data"]["status"]) == ("Enamel kettle", "inactive")
    _, (actor, action, details) = await shop.sql(
        "SELECT actor, action, details FROM audit_log WHERE subject = %s ORDER BY id", made["product_id"]
    )
    assert (actor, action) == ("internal", "product_changed")
    assert details["changes"]["title"] == {"from": "Kettle", "to": "Enamel kettle"}
    assert details["changes"]["status"] == {"from": "active", "to": "inactive"}


async def test_what_is_so_already_changes_nothing_and_is_not_told(
    shop: Any, change: Any, create_product: Create
) -> None:
    made = await create_product(title="Kettle")
    answer = await change(made["product_id"], title="Kettle", status="active")
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert len(await shop.facts(made["product_id"])) == 2
    noted = await shop.sql("SELECT action FROM audit_log WHERE subject = %s", made["product_id"])
    assert noted == [("products_listed",)]


async def test_of_many_who_saw_the_same_version_one_changes_it(
    wide_core: Any, shop: Any, create_product: Create
) -> None:
    made = await create_product(title="Kettle")
    product_id = UUID(made["product_id"])
    changes = [ProductChange(title=f"Kettle {i}", version=2) for i in range(12)]
    outcomes = await asyncio.gather(
        *(change_product(wide_core, product_id, one, OURSELVES) for one in changes), return_exceptions=True
    )
    won = [one for one in outcomes if isinstance(one, dict)]
    assert [one["version"] for one in won] == [3]
    assert sum(isinstance(one, VersionConflict) for one in outcomes) == 11
    assert (await page_of(shop.client, made["product_id"]))["title"] == won[0]["title"]
    assert [fact["sequence"] for fact in await shop.facts(made["product_id"])] == [1, 2, 3]


async def test_changes_of_a_product_its_variants_and_their_prices_do_not_block_each_other(
    wide_core: Any, shop: Any, internal: dict[str, str], create_shirt: Create
) -> None:
    shirt = await create_shirt()
    own, medium, large = (UUID(shirt[name]) for name in ("product_id", "M", "L"))
    await asyncio.gather(
        *(change_product(wide_core, own, ProductChange(title=f"Shirt {i}"), OURSELVES) for i in range(8)),
        *(change_product(wide_core, medium, ProductChange(weight_grams=200 + i), OURSELVES) for i in range(8)),
        *(
            change_prices(wide_core, "internal", [PriceChange(product_id=one, factor=1 + i / 100) for one in pair])
            for i, pair in enumerate([(medium, large), (large, medium)] * 4)
        ),
    )
    for product_id in (own, medium, large):
        sequences = [fact["sequence"] for fact in await shop.facts(str(product_id))]
        assert sorted(sequences) == list(range(1, len(sequences) + 1))
    page = await page_of(shop.client, str(own))
    assert page["price"] == min(one["price"] for one in page["variants"])


async def test_variants_follow_their_product_but_for_what_they_have_of_their_own(
    shop: Any, change: Any, create_shirt: Create
) -> None:
    shirt = await create_shirt(translations={"de": {"title": "Leinenhemd"}})
    answer = await change(
        shirt["product_id"], title="Summer shirt", attributes={"material": "cotton", "fit": None}, weight_grams=250,
        translations={"de": {"title": "Sommerhemd"}}, brand="Norrland",
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    medium, large = answer.json()["variants"]
    assert (medium["title"], large["title"]) == ("Summer shirt (M)", "Summer shirt (L)")
    assert (medium["attributes"], large["attributes"]) == ({"material": "cotton"}, {"material": "hemp"})
    assert (medium["weight_grams"], large["weight_grams"], large["brand"]) == (250, 300, "Norrland")
    assert medium["translations"] == {"de": {"title": "Sommerhemd (M)", "description": ""}}
    assert [fact["sequence"] for fact in await shop.facts(shirt["M"])][-1] == 3
    back = await change(shirt["L"], attributes={"material": None}, weight_grams=None)
    assert (back.json()["attributes"], back.json()["weight_grams"]) == ({"material": "cotton"}, 250)
    refused = await change(shirt["L"], title="Mine")
    assert (refused.status_code, refused.json()["code"]) == (422, "of_the_product")


async def test_an_inactive_product_is_out_of_the_shop_until_it_is_active_again(
    shop: Any, guest: dict[str, str], change: Any, create_product: Create
) -> None:
    path = f"status-{new_id().hex[-8:]}"
    made = await create_product(category=path, stock={"main": 5})
    line = {"product_id": made["product_id"], "quantity": 1}
    carted = await shop.client.post("/api/v1/cart/items", json=line, headers=guest)
    assert carted.status_code == 201
    assert (await change(made["product_id"], status="inactive")).status_code == 200
    assert (await page_of(shop.client, made["product_id"]))["code"] == "product_not_found"
    assert await listed(shop.client, path) == []
    (item,) = (await shop.client.get("/api/v1/cart", headers=guest)).json()["items"]
    assert (item["available"], item["available_quantity"]) == (False, 0)
    ordered = await shop.order(guest, made)
    again = await shop.client.post("/api/v1/cart/items", json=line, headers={"X-Session-Id": f"s-{new_id().hex}"})
    assert (ordered.json()["code"], again.json()["code"]) == ("product_not_found", "product_not_for_sale")
    await change(made["product_id"], status="active")
    assert await listed(shop.client, path) == [made["product_id"]]
    assert (await shop.order(guest, made)).status_code == 201


async def test_a_discontinued_product_keeps_its_page_and_is_not_sold(
    shop: Any, guest: dict[str, str], internal: dict[str, str], create_product: Create
) -> None:
    path = f"status-{new_id().hex[-8:]}"
    made = await create_product(category=path, stock={"main": 5})
    url = f"/api/v1/products/{made['product_id']}"
    late = await shop.client.delete(url, params={"version": 1}, headers=internal)
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (409, "version_conflict", 2)
    for _ in range(2):
        assert (await shop.client.delete(url, headers=internal)).status_code == 204
    page = await page_of(shop.client, made["product_id"])
    assert (page["status"], page["available"], page["version"]) == ("discontinued", 0, 3)
    assert await listed(shop.client, path) == []
    assert (await shop.order(guest, made)).status_code == 404


async def test_a_variant_is_never_more_than_its_product_and_gets_its_own_status_back(
    shop: Any, guest: dict[str, str], change: Any, create_shirt: Create
) -> None:
    shirt = await create_shirt()
    await change(shirt["M"], status="discontinued")
    page = await page_of(shop.client, shirt["product_id"])
    assert (page["price"], page["available"]) == ("52.00", 3)
    await change(shirt["product_id"], status="inactive")
    wished = await change(shirt["L"], status="active")
    assert (wished.json()["status"], wished.json()["own_status"]) == ("inactive", "active")
    body = shop.body({"product_id": shirt["L"]})
    assert (await shop.client.post("/api/v1/orders", json=body, headers=guest)).status_code == 404
    back = (await change(shirt["product_id"], status="active")).json()
    assert [one["status"] for one in back["variants"]] == ["discontinued", "active"]
    assert (await shop.client.post("/api/v1/orders", json=body, headers=guest)).status_code == 201


async def test_a_change_obeys_the_schema_of_the_category(
    shop: Any, internal: dict[str, str], change: Any, create_product: Create, create_shirt: Create
) -> None:
    path = f"schema-{new_id().hex[-8:]}"
    made, shirt = await create_product(category=path, attributes={"material": "silk"}), await create_shirt()
    await create_product(category=path)
    ids = {one["path"]: one["category_id"] for one in (await shop.client.get("/api/v1/categories")).json()["items"]}
    schema = {"required": ["material"], "properties": {"material": {"enum": ["linen", "cotton"]}}}
    url = f"/api/v1/categories/{ids[path]}/attribute-schema"
    assert (await shop.client.put(url, json={"attribute_schema": schema}, headers=internal)).status_code == 200
    assert (await change(made["product_id"], title="As before")).status_code == 200
    for product_id, fields in (
        (made["product_id"], {"attributes": {"material": "wool"}}),
        (made["product_id"], {"attributes": {"material": None}}),
        (shirt["product_id"], {"category": path}),  # L is of hemp
    ):
        answer = await change(product_id, **fields)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_attributes"), fields
    assert (await change(made["product_id"], attributes={"material": "linen"})).status_code == 200
    assert (await page_of(shop.client, shirt["product_id"]))["category"]["path"] == "tests/things"


async def test_only_who_manages_the_shop_changes_it(
    client: httpx.AsyncClient, create_user: Any, create_product: Create
) -> None:
    made, user = await create_product(), await create_user()
    url = f"/api/v1/products/{made['product_id']}"
    for headers, status in (({}, 401), (user.headers, 403)):
        answers = [
            await client.patch(url, json={"title": "Mine"}, headers=headers),
            await client.delete(url, headers=headers),
            await client.get(f"{url}/listing", headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [status] * 3


@pytest.mark.parametrize(
    "fields", [{}, {"version": 2}, {"price": "1.00"}, {"title": ""}, {"title": None}, {"status": "gone"}]
)
async def test_what_makes_no_sense_is_refused(change: Any, create_product: Create, fields: dict[str, Any]) -> None:
    made = await create_product()
    answer = await change(made["product_id"], **fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (await change(str(new_id()), title="Nobody")).status_code == 404


async def test_a_product_gets_more_variants(shop: Any, internal: dict[str, str], create_shirt: Create) -> None:
    path = f"more-{new_id().hex[-8:]}"
    shirt, name = await create_shirt(category=path, translations={"de": {"title": "Leinenhemd"}}), new_id().hex[-10:]
    url = f"/api/v1/products/{shirt['product_id']}/variants"
    new = {"sku": f"S-{name}", "options": {"size": "S"}, "price": "45.00", "stock": {"main": 2}}
    answer = await shop.client.post(url, json={"variants": [new]}, headers=internal)
    assert answer.status_code == 201, answer.text
    *_, small = answer.json()["variants"]
    assert (small["title"], small["price"], small["weight_grams"], small["version"]) == (
        "Linen shirt (S)", "45.00", 260, 2,
    )  # fmt: skip
    assert (small["attributes"], small["translations"]["de"]["title"]) == (
        {"material": "linen", "fit": "slim"}, "Leinenhemd (S)",
    )  # fmt: skip
    page = await page_of(shop.client, shirt["product_id"])
    assert (page["price"], page["available"], page["version"]) == ("45.00", 10, 3)
    assert page["options"] == [{"name": "size", "values": ["M", "L", "S"]}]
    narrowed = await shop.client.get("/api/v1/products", params={"category": path, "attribute": "size:S"})
    assert [one["price"] for one in narrowed.json()["items"]] == ["45.00"]
    assert [fact["sequence"] for fact in await shop.facts(shirt["product_id"])] == [1, 2, 3]
    assert [fact["event_type"] for fact in await shop.facts(small["product_id"])] == [
        "catalogue.product.listed.v1", "pricing.price.changed.v1",
    ]  # fmt: skip
    body = shop.body({"product_id": small["product_id"]})
    ordered = await shop.client.post("/api/v1/orders", json=body, headers={"X-Session-Id": f"s-{name}"})
    assert (ordered.status_code, ordered.json()["total_amount"]) == (201, "45.00")


async def test_variants_that_do_not_fit_are_refused_and_none_is_added(
    shop: Any, internal: dict[str, str], change: Any, create_product: Create, create_shirt: Create
) -> None:
    shirt, simple, gone = await create_shirt(), await create_product(), await create_shirt()
    await change(gone["product_id"], status="discontinued")
    good = {"sku": new_id().hex, "options": {"size": "S"}}
    for product_id, bad, answered in (
        (shirt["product_id"], {"sku": new_id().hex, "options": {"size": "M"}}, (409, "no_such_variants")),
        (shirt["product_id"], {"sku": new_id().hex, "options": {"colour": "red"}}, (409, "no_such_variants")),
        (shirt["product_id"], {"sku": simple["sku"], "options": {"size": "XS"}}, (409, "sku_exists")),
        (shirt["product_id"], {"sku": good["sku"], "options": {"size": "XS"}}, (422, "invalid_request")),
        (shirt["product_id"], {"sku": "x", "options": {"size": "XS"}, "price": "1.234"}, (422, "invalid_request")),
        (shirt["M"], {"sku": new_id().hex, "options": {"size": "XS"}}, (409, "no_such_variants")),
        (simple["product_id"], {"sku": new_id().hex, "options": {"size": "XS"}}, (409, "no_such_variants")),
        (gone["product_id"], {"sku": new_id().hex, "options": {"size": "XS"}}, (409, "no_such_variants")),
        (str(new_id()), {"sku": new_id().hex, "options": {"size": "XS"}}, (404, "product_not_found")),
    ):
        url = f"/api/v1/products/{product_id}/variants"
        answer = await shop.client.post(url, json={"variants": [good, bad]}, headers=internal)
        assert (answer.status_code, answer.json()["code"]) == answered, answer.text
    assert await shop.sql("SELECT 1 FROM products WHERE sku = %s", good["sku"]) == []


async def test_what_no_shopper_finds_is_found_by_who_manages_the_shop(
    client: httpx.AsyncClient,
    internal: dict[str, str],
    create_product: Create,
    create_shirt: Create,
    change: Callable[..., Awaitable[httpx.Response]],
) -> None:
    mark = new_id().hex[-12:]
    shirt = await create_shirt(brand=f"Brand-{mark}")
    pan = await create_product(title=f"Iron PAN {mark}", brand=f"Brand-{mark}")
    pot = await create_product(title=f"50%_pot {mark}", brand=f"Brand-{mark}")
    for made, status in ((shirt, "inactive"), (pan, "inactive"), (pot, "discontinued")):
        assert (await change(made["product_id"], status=status)).status_code == 200

    async def found(**params: Any) -> list[str]:
        answer = await client.get("/api/v1/products/listings", params=params, headers=internal)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "private, no-store"
        return [one["product_id"] for one in answer.json()["items"]]

    every = [one["product_id"] for one in (pot, pan, shirt)]
    assert await found(q=mark) == every
    assert await found(q=f"brand-{mark}", status="inactive") == every[1:]
    assert await found(q=f"{mark} pan") == [pan["product_id"]]
    assert await found(q=f"%_ {mark}") == await found(q=f"{mark} 50%_") == [pot["product_id"]]
    assert await found(sku=shirt["variants"][1]["sku"]) == await found(sku=shirt["sku"]) == [shirt["product_id"]]
    assert await found(sku=pan["sku"], status="active") == await found(sku="of-nothing") == []
    assert await found(seller=f"nobody-{mark}") == []
    paged: list[str] = []
    cursor: str | None = None
    for _ in every:
        params = {"q": mark, "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/v1/products/listings", params=params, headers=internal)).json()
        paged += [one["product_id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert (paged, cursor) == (every, None)
    assert (await client.get("/api/v1/products", params={"brand": f"Brand-{mark}"})).json()["items"] == []
    bad = await client.get("/api/v1/products/listings", params={"cursor": "x"}, headers=internal)
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_cursor")
