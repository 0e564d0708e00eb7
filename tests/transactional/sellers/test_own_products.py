"""What a seller's people may do to which products: their own in everything but prices, others' in nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sellers_people import CATEGORY, refused

from lakefront.ids import new_id


def shirts(name: str = "") -> list[dict[str, Any]]:
    """Two sizes, of which the medium lies in the warehouse that there is."""
    name = name or new_id().hex[-12:]
    return [
        {"sku": f"M-{name}", "options": {"size": "M"}, "stock": {"main": 4}},
        {"sku": f"L-{name}", "options": {"size": "L"}},
    ]


async def stock_of(shop: Any, product_id: str) -> int:
    ((units,),) = await shop.sql("SELECT coalesce(sum(available), 0) FROM stock WHERE product_id = %s", product_id)
    return int(units)


async def test_what_a_sellers_people_list_is_their_sellers(
    shop: Any, client: httpx.AsyncClient, create_seller: Any
) -> None:
    seller = await create_seller()
    made = [await seller.product(**named) for named in ({}, {"seller": seller.code}, {"seller": None})]
    for product_id in made:
        assert (await client.get(f"/api/v1/products/{product_id}")).json()["seller"] == seller.code
    with_variants = await seller.product(variants=shirts())
    rows = await shop.sql("SELECT DISTINCT seller FROM products WHERE parent_id = %s", with_variants)
    assert rows == [(seller.code,)]


async def test_another_seller_cannot_be_named_in_any_body(shop: Any, create_seller: Any) -> None:
    seller, other = await create_seller(), await create_seller()
    sku, own = f"SPOOF-{new_id().hex}", await seller.product()
    for named in (other.code, f"unknown-{new_id().hex}"):
        assert refused(await seller.list(sku=sku, seller=named)) == (403, "foreign_seller")
        assert refused(await seller.change(own, seller=named, title="Mine")) == (403, "foreign_seller")
    assert refused(await seller.change(own, seller=None)) == (403, "foreign_seller")
    body = [{"sku": f"{sku}-{i}", "title": "X", "category": CATEGORY, "price": "1.00"} for i in range(2)]
    mixed = {"products": [body[0], body[1] | {"seller": other.code}]}
    answer = await seller.client.post("/api/v1/products", json=mixed, headers=seller.headers)
    assert refused(answer) == (403, "foreign_seller")
    assert await shop.sql("SELECT count(*) FROM products WHERE sku LIKE %s", f"{sku}%") == [(0,)]
    assert await shop.sql("SELECT seller, version, title <> 'Mine' FROM products WHERE id = %s", own) == [
        (seller.code, 2, True)
    ]
    assert (await seller.change(own, seller=seller.code, title="Mine")).status_code == 200


async def test_own_products_are_changed_in_everything_but_their_prices(
    shop: Any, client: httpx.AsyncClient, create_seller: Any
) -> None:
    seller = await create_seller()
    own = await seller.product(title="Shirt", variants=shirts())
    changed = await seller.change(own, title="Linen shirt", tags=["new"], status="inactive", attributes={"fit": "slim"})
    assert (changed.status_code, changed.json()["title"], changed.json()["status"]) == (200, "Linen shirt", "inactive")
    assert (await seller.change(own, status="active")).json()["status"] == "active"
    more = {"variants": [{"sku": f"S-{new_id().hex}", "options": {"size": "S"}, "stock": {"main": 2}}]}
    added = await client.post(f"/api/v1/products/{own}/variants", json=more, headers=seller.headers)
    assert (added.status_code, len(added.json()["variants"])) == (201, 3)
    shown = await client.get(f"/api/v1/products/{own}/listing", headers=seller.headers)
    assert shown.json() == added.json()
    small = added.json()["variants"][-1]["product_id"]
    stock = {"quantity": 9, "warehouse": "main", "variant_id": small}
    counted = await client.put(f"/api/v1/inventory/{own}/quantity", json=stock, headers=seller.headers)
    assert (counted.status_code, counted.json()["available"]) == (200, 9)
    price = {"changes": [{"product_id": small, "base_price": "1.00"}]}
    assert refused(await client.post("/api/v1/pricing/changes", json=price, headers=seller.headers)) == (
        403, "forbidden",
    )  # fmt: skip
    gone = await client.delete(f"/api/v1/products/{own}", headers=seller.headers)
    assert gone.status_code == 204
    actors = await shop.sql("SELECT DISTINCT actor FROM audit_log WHERE subject = %s", own)
    assert actors == [(seller.user.user_id,)]


@pytest.mark.parametrize("whose", ["another seller", "the shop"])
async def test_what_is_not_theirs_is_not_found_and_stays_as_it_is(
    shop: Any, client: httpx.AsyncClient, create_seller: Any, create_product: Any, whose: str
) -> None:
    seller, other = await create_seller(), await create_seller()
    named = {"seller": other.code} if whose == "another seller" else {}
    foreign = await create_product(variants=shirts(), **named)
    product_id, medium = foreign["product_id"], foreign["variants"][0]["variant_id"]
    before = await shop.sql("SELECT * FROM products WHERE %s IN (id, parent_id) ORDER BY id", product_id)
    more = {"variants": [{"sku": f"S-{new_id().hex}", "options": {"size": "S"}}]}
    stock = {"quantity": 0, "warehouse": "main"}
    requests: list[tuple[str, str, Any]] = [
        ("GET", f"/products/{product_id}/listing", None),
        ("PATCH", f"/products/{product_id}", {"title": "Mine"}),
        ("PATCH", f"/products/{product_id}", {"seller": seller.code}),
        ("PATCH", f"/products/{medium}", {"status": "inactive"}),
        ("DELETE", f"/products/{product_id}", None),
        ("DELETE", f"/products/{medium}", None),
        ("POST", f"/products/{product_id}/variants", more),
        ("GET", f"/products/{product_id}/images", None),
        ("PUT", f"/products/{product_id}/images", {"image_ids": []}),
        ("PUT", f"/inventory/{medium}/quantity", stock),
        ("PUT", f"/inventory/{product_id}/quantity", stock | {"variant_id": medium}),
        ("PUT", f"/inventory/{new_id()}/quantity", stock),
    ]
    for method, path, body in requests:
        content = {} if body is None else {"json": body}
        answer = await client.request(method, f"/api/v1{path}", headers=seller.headers, **content)
        assert refused(answer) == (404, "product_not_found"), (method, path)
    through_own = await seller.product(variants=shirts())
    answer = await client.put(
        f"/api/v1/inventory/{through_own}/quantity", json=stock | {"variant_id": medium}, headers=seller.headers
    )
    assert refused(answer) == (422, "unknown_variant")
    assert await shop.sql("SELECT * FROM products WHERE %s IN (id, parent_id) ORDER BY id", product_id) == before
    assert await stock_of(shop, medium) == 4


async def test_anothers_images_are_neither_seen_nor_changed_by_their_ids(
    shop: Any, client: httpx.AsyncClient, create_seller: Any, picture: bytes
) -> None:
    seller, other = await create_seller(), await create_seller()
    own, foreign = await seller.product(), await other.product()

    async def upload(who: Any, product_id: str) -> httpx.Response:
        headers = who.headers | {"Content-Type": "image/png"}
        return await client.post(f"/api/v1/products/{product_id}/images", content=picture, headers=headers)

    (image,) = (await upload(other, foreign)).json()["items"]
    assert refused(await upload(seller, foreign)) == (404, "product_not_found")
    for product_id, code in ((foreign, "product_not_found"), (own, "image_not_found")):
        path = f"/api/v1/products/{product_id}/images/{image['image_id']}"
        assert refused(await client.delete(path, headers=seller.headers)) == (404, code)
        assert refused(await client.patch(path, json={"alt": "Mine"}, headers=seller.headers)) == (404, code)
    order = {"image_ids": [image["image_id"]]}
    ordered = await client.put(f"/api/v1/products/{own}/images", json=order, headers=seller.headers)
    assert refused(ordered) == (409, "other_images")
    assert ordered.json()["image_ids"] == []
    mine = (await upload(seller, own)).json()["items"]  # the same file is theirs, too, under an id of its own
    path = f"/api/v1/products/{own}/images/{mine[0]['image_id']}"
    assert (await client.delete(path, headers=seller.headers)).status_code == 204
    left = (await client.get(f"/api/v1/products/{foreign}/images", headers=other.headers)).json()["items"]
    assert left == [image]


async def test_sellers_make_no_categories_and_no_warehouses(
    shop: Any, client: httpx.AsyncClient, create_seller: Any
) -> None:
    seller = await create_seller()
    own, new = await seller.product(), f"new-{new_id().hex}"
    assert refused(await seller.list(category=new)) == (422, "unknown_category")
    assert refused(await seller.change(own, category=f"tests/{new}")) == (422, "unknown_category")
    assert refused(await seller.list(stock={new: 1})) == (422, "unknown_warehouse")
    variants = [{"sku": new_id().hex, "options": {"size": "M"}, "stock": {new: 1}}]
    assert refused(await seller.list(variants=variants)) == (422, "unknown_warehouse")
    stock = {"quantity": 1, "warehouse": new}
    counted = await client.put(f"/api/v1/inventory/{own}/quantity", json=stock, headers=seller.headers)
    assert refused(counted) == (422, "unknown_warehouse")
    assert await shop.sql("SELECT count(*) FROM categories WHERE path LIKE %s", f"%{new}") == [(0,)]
    assert await shop.sql("SELECT count(*) FROM warehouses WHERE code = %s", new) == [(0,)]
    assert (await seller.change(own, category="tests")).json()["category"] == "tests"


async def test_own_products_are_listed_whatever_their_status_and_by_cursor(
    client: httpx.AsyncClient, create_seller: Any
) -> None:
    seller, other = await create_seller(), await create_seller()
    shirt = await seller.product(title="Shirt", price="49.00", variants=shirts())
    hidden, gone, shown = [await seller.product(stock={"main": 3}) for _ in range(3)]
    await seller.change(hidden, status="inactive")
    await seller.change(gone, status="discontinued")
    await other.product()
    path, found, cursor = "/api/v1/sellers/me/products", [], None
    for _ in range(2):
        page = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await client.get(path, params=page, headers=seller.headers)).json()
        found += answer["items"]
        cursor = answer["next_cursor"]
    assert cursor is None
    assert [(one["product_id"], one["status"], one["available"]) for one in found] == [
        (shown, "active", 3), (gone, "discontinued", 3), (hidden, "inactive", 3), (shirt, "active", 4),
    ]  # fmt: skip
    assert {name: found[-1][name] for name in ("title", "price", "currency", "variants", "category", "image")} == {
        "title": "Shirt", "price": "49.00", "currency": "USD", "variants": 2, "category": CATEGORY, "image": None,
    }  # fmt: skip
    only = await client.get(path, params={"status": "inactive"}, headers=seller.headers)
    assert [one["product_id"] for one in only.json()["items"]] == [hidden]
    assert refused(await client.get(path, params={"cursor": "x"}, headers=seller.headers)) == (422, "invalid_cursor")


async def test_the_role_alone_opens_nothing(
    client: httpx.AsyncClient, internal: dict[str, str], create_user: Any, create_product: Any, log_in_again: Any
) -> None:
    user, product = await create_user(), await create_product()
    await client.put(f"/api/v1/users/{user.user_id}/role", json={"role": "seller"}, headers=internal)
    headers = await log_in_again(user)
    body = {"products": [{"sku": new_id().hex, "title": "X", "category": CATEGORY, "price": "1.00"}]}
    assert refused(await client.post("/api/v1/products", json=body, headers=headers)) == (403, "no_seller")
    path = f"/api/v1/products/{product['product_id']}"
    assert refused(await client.patch(path, json={"title": "Mine"}, headers=headers)) == (403, "no_seller")
    assert refused(await client.get(f"{path}/listing", headers=headers)) == (403, "no_seller")
    assert refused(await client.get("/api/v1/sellers/me/products", headers=headers)) == (403, "no_seller")
