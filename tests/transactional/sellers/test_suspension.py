"""A suspended seller: its products leave the shop and come back as they were, and its people change nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from sellers_people import CATEGORY, refused

from lakefront.ids import new_id
from transactional.sellers import tasks


async def statuses(shop: Any, code: str) -> list[tuple[str, str]]:
    """Title and status of all of a seller's rows."""
    return await shop.sql("SELECT title, status FROM products WHERE seller = %s ORDER BY title", code)  # type: ignore[no-any-return]


def sizes(*names: str) -> list[dict[str, Any]]:
    return [{"sku": new_id().hex, "options": {"size": name}, "stock": {"main": 5}} for name in names]


async def test_its_products_are_neither_shown_nor_sold_until_it_is_active_again(
    shop: Any, client: httpx.AsyncClient, guest: dict[str, str], create_seller: Any, set_status: Any, settle: Any
) -> None:
    seller = await create_seller()
    product = {"product_id": await seller.product(stock={"main": 5})}
    page, lists = f"/api/v1/products/{product['product_id']}", {"seller": seller.code}
    put = await client.post("/api/v1/cart/items", json=product | {"quantity": 1}, headers=guest)
    assert put.status_code < 300
    await set_status(seller.code, "suspended")
    await settle()
    assert refused(await client.get(page)) == (404, "product_not_found")
    assert (await client.get("/api/v1/products", params=lists)).json()["items"] == []
    assert (await client.get("/api/v1/facets", params=lists)).json()["sellers"] == []
    assert refused(await client.get(f"/api/v1/sellers/{seller.code}")) == (404, "seller_not_found")
    (line,) = (await client.get("/api/v1/cart", headers=guest)).json()["items"]
    assert line["available"] == 0
    assert refused(await shop.order(guest, product)) == (404, "product_not_found")
    assert await shop.available(product) == 5
    await set_status(seller.code, "active")
    await settle()
    assert (await client.get(page)).json()["available"] == 4  # one lies in the cart
    assert [one["product_id"] for one in (await client.get("/api/v1/products", params=lists)).json()["items"]] == [
        product["product_id"]
    ]
    assert (await client.get("/api/v1/facets", params=lists)).json()["sellers"] == [
        {"value": seller.code, "products": 1}
    ]
    assert (await client.get(f"/api/v1/sellers/{seller.code}")).json()["products"] == 1
    assert (await shop.order(guest, product)).status_code == 201


async def test_everything_comes_back_as_it_was_set(
    shop: Any, create_seller: Any, create_product: Any, set_status: Any, settle: Any
) -> None:
    seller = await create_seller()
    shirt = await seller.product(title="A shirt", variants=sizes("L", "M"))
    rows = await shop.sql("SELECT id FROM products WHERE parent_id = %s AND title = 'A shirt (M)'", shirt)
    await seller.change(str(rows[0][0]), status="inactive")
    await seller.change(await seller.product(title="B gone"), status="discontinued")
    await seller.change(await seller.product(title="C hidden", variants=sizes("S")), status="inactive")
    await seller.product(title="D kettle")
    other = await create_product(title="E of the shop")
    before = await statuses(shop, seller.code)
    assert before == [
        ("A shirt", "active"), ("A shirt (L)", "active"), ("A shirt (M)", "inactive"), ("B gone", "discontinued"),
        ("C hidden", "inactive"), ("C hidden (S)", "inactive"), ("D kettle", "active"),
    ]  # fmt: skip
    await set_status(seller.code, "suspended")
    await settle()
    assert [status for _, status in await statuses(shop, seller.code)] == [
        "inactive", "inactive", "inactive", "discontinued", "inactive", "inactive", "inactive",
    ]  # fmt: skip
    await set_status(seller.code, "active")
    await settle()
    assert await statuses(shop, seller.code) == before
    assert await shop.sql("SELECT status, version FROM products WHERE id = %s", other["product_id"]) == [("active", 2)]
    ((settled,),) = await shop.sql("SELECT is_settled FROM sellers WHERE code = %s", seller.code)
    assert settled


async def test_each_product_is_told_without_a_gap_so_that_search_and_pages_follow(
    shop: Any, create_seller: Any, set_status: Any, settle: Any
) -> None:
    seller = await create_seller()
    product_id = await seller.product(title="Shirt", variants=sizes("M"))
    ((variant_id,),) = await shop.sql("SELECT id FROM products WHERE parent_id = %s", product_id)
    for status in ("suspended", "active"):
        await set_status(seller.code, status)
        await settle()
        await settle()  # nothing is left, and nothing is told twice
    for row in (product_id, variant_id):
        told = [
            (fact["sequence"], fact["data"]["status"])
            for fact in await shop.facts(row)
            if fact["event_type"] == "catalogue.product.listed.v1"
        ]
        assert told == [(1, "active"), (3, "inactive"), (4, "active")]


async def test_its_people_look_and_change_nothing_while_it_is_suspended(
    shop: Any, client: httpx.AsyncClient, create_seller: Any, set_status: Any, picture: bytes
) -> None:
    seller = await create_seller()
    own = await seller.product(variants=sizes("M"))
    await set_status(seller.code, "suspended")
    more = {"variants": sizes("L")}
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"/products/{own}", {"json": {"status": "active"}}),
        ("DELETE", f"/products/{own}", {}),
        ("POST", f"/products/{own}/variants", {"json": more}),
        ("PUT", f"/products/{own}/images", {"json": {"image_ids": []}}),
        ("PATCH", f"/products/{own}/images/{new_id()}", {"json": {"alt": "x"}}),
        ("DELETE", f"/products/{own}/images/{new_id()}", {}),
        ("PUT", f"/inventory/{own}/quantity", {"json": {"quantity": 1, "warehouse": "main"}}),
    ]
    for method, path, content in requests:
        answer = await client.request(method, f"/api/v1{path}", headers=seller.headers, **content)
        assert refused(answer) == (403, "seller_not_active"), (method, path)
    image = seller.headers | {"Content-Type": "image/png"}
    uploaded = await client.post(f"/api/v1/products/{own}/images", content=picture, headers=image)
    assert refused(uploaded) == (403, "seller_not_active")
    assert refused(await seller.list()) == (403, "seller_not_active")
    listing = await client.get(f"/api/v1/products/{own}/listing", headers=seller.headers)
    assert (listing.status_code, listing.json()["version"]) == (200, 2)
    assert (await client.get("/api/v1/sellers/me", headers=seller.headers)).json()["status"] == "suspended"
    (shown,) = (await client.get("/api/v1/sellers/me/products", headers=seller.headers)).json()["items"]
    assert shown["product_id"] == own


async def test_what_managers_list_and_change_meanwhile_waits_for_the_seller(
    shop: Any, client: httpx.AsyncClient, internal: dict[str, str], create_seller: Any, create_product: Any,
    set_status: Any, settle: Any,
) -> None:  # fmt: skip
    seller = await create_seller()
    before = await seller.product(title="A shirt", variants=sizes("M"))
    moved = await create_product(title="B from the shop")
    await set_status(seller.code, "suspended")
    await settle()
    await create_product(title="C new", seller=seller.code, variants=sizes("M"))

    async def change(product_id: str, **fields: Any) -> Any:
        return (await client.patch(f"/api/v1/products/{product_id}", json=fields, headers=internal)).json()

    changed = await change(moved["product_id"], seller=seller.code)
    assert (changed["status"], changed["own_status"]) == ("inactive", "active")
    changed = await change(before, status="active")
    assert (changed["status"], changed["own_status"]) == ("inactive", "active")
    more = {"variants": sizes("L")}
    answer = await client.post(f"/api/v1/products/{before}/variants", json=more, headers=internal)
    assert [one["status"] for one in answer.json()["variants"]] == ["inactive", "inactive"]
    assert {status for _, status in await statuses(shop, seller.code)} == {"inactive"}
    told = (await shop.facts(changed["product_id"]))[-1]
    assert told["data"]["status"] == "inactive"
    await set_status(seller.code, "active")
    await settle()
    assert await statuses(shop, seller.code) == [
        ("A shirt", "active"), ("A shirt (L)", "active"), ("A shirt (M)", "active"), ("B from the shop", "active"),
        ("C new", "active"), ("C new (M)", "active"),
    ]  # fmt: skip
    await set_status(seller.code, "suspended")
    await settle()
    changed = await change(before, seller=None)  # the shop takes it over
    assert (changed["status"], [one["status"] for one in changed["variants"]]) == ("active", ["active", "active"])


async def test_options_of_hidden_variants_are_no_facets_after_a_change_made_meanwhile(
    shop: Any, client: httpx.AsyncClient, internal: dict[str, str], create_seller: Any, set_status: Any, settle: Any
) -> None:
    seller = await create_seller()
    shirt = await seller.product(title="Shirt", variants=sizes("L", "M"))
    rows = await shop.sql("SELECT id FROM products WHERE parent_id = %s AND title = 'Shirt (M)'", shirt)
    await seller.change(str(rows[0][0]), status="inactive")
    await set_status(seller.code, "suspended")
    await settle()
    await client.patch(f"/api/v1/products/{shirt}", json={"title": "Linen shirt"}, headers=internal)
    await set_status(seller.code, "active")
    await settle()
    assert await shop.sql("SELECT facets, status FROM products WHERE id = %s", shirt) == [({"size": ["L"]}, "active")]


async def test_many_products_go_in_batches_that_workers_share(
    shop: Any, create_seller: Any, set_status: Any, monkeypatch: pytest.MonkeyPatch, wide_core: Any
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 3)
    seller = await create_seller()
    products = [
        {"sku": new_id().hex, "title": f"P {number}", "category": CATEGORY, "price": "1.00"} for number in range(10)
    ]
    listed = await seller.client.post("/api/v1/products", json={"products": products}, headers=seller.headers)
    assert listed.status_code == 201
    await set_status(seller.code, "suspended")
    done = [await tasks.settle_products(wide_core) for _ in range(2)]
    assert done == [3, 3]
    assert [status for _, status in await statuses(shop, seller.code)].count("active") == 4
    ((settled,),) = await shop.sql("SELECT is_settled FROM sellers WHERE code = %s", seller.code)
    assert not settled

    async def work() -> None:
        while await tasks.settle_products(wide_core):
            pass

    await asyncio.gather(*(work() for _ in range(4)))
    assert {status for _, status in await statuses(shop, seller.code)} == {"inactive"}
    versions = await shop.sql("SELECT DISTINCT version FROM products WHERE seller = %s", seller.code)
    assert versions == [(3,)]  # each was changed once


async def test_a_seller_that_waits_for_approval_shows_nothing_that_managers_list_for_it(
    shop: Any, client: httpx.AsyncClient, create_verified: Any, create_product: Any, set_status: Any, settle: Any,
    internal: dict[str, str], new_code: str,
) -> None:  # fmt: skip
    user = await create_verified()
    body = {"code": new_code, "display_name": "Norrland AB"}
    await client.post("/api/v1/sellers", json=body, headers=user.headers)
    await create_product(title="A", seller=new_code)
    assert await statuses(shop, new_code) == [("A", "inactive")]
    assert refused(await client.delete(f"/api/v1/sellers/{new_code}", headers=internal)) == (409, "seller_has_products")
    await set_status(new_code, "active")
    await settle()
    assert await statuses(shop, new_code) == [("A", "active")]
