"""Wishlists: several for an account, private or shared by a link, with prices then and now, and a way into the cart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from lakefront.ids import new_id

Create = Callable[..., Awaitable[Any]]
ONE, ALL = "/api/v1/users/wishlist", "/api/v1/users/wishlists"


async def put(client: httpx.AsyncClient, user: Any, product: dict[str, Any], path: str = ONE, **more: Any) -> Any:
    body = {"product_id": product["product_id"], **more}
    answer = await client.post(f"{path}/items", json=body, headers=user.headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def make(client: httpx.AsyncClient, user: Any, name: str, **more: Any) -> Any:
    answer = await client.post(ALL, json={"name": name, **more}, headers=user.headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def change(client: httpx.AsyncClient, user: Any, wishlist: dict[str, Any], **changes: Any) -> httpx.Response:
    return await client.put(f"{ALL}/{wishlist['wishlist_id']}", json=changes, headers=user.headers)


async def listed(client: httpx.AsyncClient, user: Any) -> list[tuple[str, bool, int]]:
    items = (await client.get(ALL, headers=user.headers)).json()["items"]
    return [(item["name"], item["is_default"], item["items_count"]) for item in items]


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_everybody_has_one_list_before_asking_for_it(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    answers = await asyncio.gather(*(client.get(ONE, headers=user.headers) for _ in range(4)))
    assert len({answer.json()["wishlist_id"] for answer in answers}) == 1
    assert answers[0].json() | {"wishlist_id": "", "created_at": ""} == {
        "wishlist_id": "", "name": "Wishlist", "is_default": True, "share_token": None, "items_count": 0,
        "created_at": "", "items": [],
    }  # fmt: skip


async def test_a_wish_shows_its_price_then_and_now_and_whether_it_can_be_had(
    client: httpx.AsyncClient, create_user: Create, create_product: Create, shop: Any
) -> None:
    user, product = await create_user(), await create_product(price="10.00", stock={"main": 2, "other": 3})
    await put(client, user, product)
    await shop.sql("UPDATE products SET price = 8.50 WHERE id = %s", product["product_id"])
    (wish,) = (await put(client, user, product))["items"]  # again: it is there once, with the price of the first time
    assert {key: wish[key] for key in ("price", "price_when_added", "price_change", "currency")} == {
        "price": "8.50", "price_when_added": "10.00", "price_change": "-1.50", "currency": product.get("currency", "USD"),
    }  # fmt: skip
    assert (wish["for_sale"], wish["available"], wish["available_quantity"]) == (True, True, 5)
    await shop.sql("UPDATE products SET status = 'discontinued' WHERE id = %s", product["product_id"])
    (gone,) = (await client.get(ONE, headers=user.headers)).json()["items"]
    assert (gone["for_sale"], gone["available"], gone["available_quantity"]) == (False, False, 0)


async def test_an_account_has_several_lists_and_one_default(
    client: httpx.AsyncClient, create_user: Create, create_product: Create
) -> None:
    user, product = await create_user(), await create_product()
    birthday = await make(client, user, "Birthday")
    await make(client, user, "Summer", is_default=True)
    assert await listed(client, user) == [("Summer", True, 0), ("Birthday", False, 0)]
    await put(client, user, product)
    await put(client, user, product, f"{ALL}/{birthday['wishlist_id']}")
    assert await listed(client, user) == [("Summer", True, 1), ("Birthday", False, 1)]
    renamed = await change(client, user, birthday, name="Christmas", is_default=True)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Christmas")
    assert await listed(client, user) == [("Christmas", True, 1), ("Summer", False, 1)]
    path = f"{ALL}/{birthday['wishlist_id']}"
    assert refused(await client.delete(path, headers=user.headers)) == (409, "default_wishlist")
    assert refused(await change(client, user, birthday, is_default=False)) == (409, "default_wishlist")
    await make(client, user, "Last", is_default=True)
    assert (await client.delete(path, headers=user.headers)).status_code == 204
    assert await listed(client, user) == [("Last", True, 0), ("Summer", False, 1)]


async def test_of_lists_made_at_once_one_is_the_default_and_none_is_too_many(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    bodies = [{"name": f"List {number}", "is_default": number % 2 == 0} for number in range(24)]
    answers = await asyncio.gather(*(client.post(ALL, json=body, headers=user.headers) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [409] * 4
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"too_many_wishlists"}
    assert [is_default for _, is_default, _ in await listed(client, user)] == [True] + [False] * 19


async def test_a_shared_list_is_seen_by_its_link_until_it_is_private_again(
    client: httpx.AsyncClient, create_user: Create, create_product: Create
) -> None:
    user, product = await create_user(), await create_product()
    wishlist = await make(client, user, "Wedding", shared=True)
    await put(client, user, product, f"{ALL}/{wishlist['wishlist_id']}")
    link = f"/api/v1/wishlists/{wishlist['share_token']}"
    seen = (await client.get(link)).json()
    assert (set(seen), seen["name"]) == ({"name", "items"}, "Wedding")
    assert [wish["sku"] for wish in seen["items"]] == [product["sku"]]
    assert (await change(client, user, wishlist, name="The wedding")).json()["share_token"] == wishlist["share_token"]
    assert (await change(client, user, wishlist, shared=False)).json()["share_token"] is None
    assert refused(await client.get(link)) == (404, "wishlist_not_found")
    again = (await change(client, user, wishlist, shared=True)).json()["share_token"]
    assert again != wishlist["share_token"]
    assert refused(await client.get(link)) == (404, "wishlist_not_found")
    assert (await client.get(f"/api/v1/wishlists/{again}")).json()["name"] == "The wedding"


async def test_nobody_sees_or_changes_anothers(
    client: httpx.AsyncClient, create_user: Create, create_product: Create
) -> None:
    user, thief, product = await create_user(), await create_user(), await create_product()
    wishlist = await put(client, user, product)
    path, item = f"{ALL}/{wishlist['wishlist_id']}", wishlist["items"][0]["item_id"]
    wish = {"product_id": product["product_id"]}
    for answer, code in (
        (await client.get(path, headers=thief.headers), "wishlist_not_found"),
        (await client.put(path, json={"shared": True}, headers=thief.headers), "wishlist_not_found"),
        (await client.delete(path, headers=thief.headers), "wishlist_not_found"),
        (await client.post(f"{path}/items", json=wish, headers=thief.headers), "wishlist_not_found"),
        (await client.delete(f"{ONE}/items/{item}", headers=thief.headers), "wish_not_found"),
        (await client.post(f"{ONE}/items/{item}/move-to-cart", json={}, headers=thief.headers), "wish_not_found"),
    ):
        assert refused(answer) == (404, code)
    assert await listed(client, user) == [("Wishlist", True, 1)]
    assert refused(await client.get(ONE)) == (401, "not_authenticated")


async def test_a_wish_moves_into_the_cart_once(
    client: httpx.AsyncClient, create_user: Create, create_product: Create
) -> None:
    user, product = await create_user(), await create_product(stock={"main": 9})
    item = (await put(client, user, product))["items"][0]["item_id"]
    move = f"{ONE}/items/{item}/move-to-cart"
    answers = await asyncio.gather(*(client.post(move, json={"quantity": 2}, headers=user.headers) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    cart = (await client.get("/api/v1/cart", headers=user.headers)).json()
    assert [(line["sku"], line["quantity"]) for line in cart["items"]] == [(product["sku"], 2)]
    assert (await client.get(ONE, headers=user.headers)).json()["items"] == []


async def test_what_cannot_be_put_into_the_cart_stays_on_the_list(
    client: httpx.AsyncClient, create_user: Create, create_product: Create, shop: Any
) -> None:
    user, product = await create_user(), await create_product()
    item = (await put(client, user, product))["items"][0]["item_id"]
    await shop.sql("UPDATE products SET status = 'inactive' WHERE id = %s", product["product_id"])
    move = f"{ONE}/items/{item}/move-to-cart"
    assert refused(await client.post(move, json={}, headers=user.headers)) == (409, "product_not_for_sale")
    assert await listed(client, user) == [("Wishlist", True, 1)]
    assert (await client.delete(f"{ONE}/items/{item}", headers=user.headers)).status_code == 204
    assert refused(await client.delete(f"{ONE}/items/{item}", headers=user.headers)) == (404, "wish_not_found")


async def test_a_wish_is_for_a_variant_or_for_the_product_which_one_chooses_later(
    client: httpx.AsyncClient, create_user: Create, create_product: Create
) -> None:
    user = await create_user()
    variants = [
        {"sku": f"SHIRT-{size}-{new_id().hex}", "options": {"size": size}, "price": price, "stock": {"main": 3}}
        for size, price in (("M", "20.00"), ("L", "22.00"))
    ]
    shirt = await create_product(price="20.00", variants=variants)
    medium, large = (one["variant_id"] for one in shirt["variants"])
    await put(client, user, shirt)
    wishes = (await put(client, user, shirt, variant_id=large))["items"]
    shown = [(w["variant_id"], w["options"], w["has_variants"], w["price"], w["available_quantity"]) for w in wishes]
    assert shown == [(large, {"size": "L"}, False, "22.00", 3), (None, {}, True, "20.00", 6)]
    assert {wish["product_id"] for wish in wishes} == {shirt["product_id"]}
    whole = f"{ONE}/items/{wishes[1]['item_id']}/move-to-cart"
    assert (await client.post(whole, json={}, headers=user.headers)).json()["code"] == "variant_required"
    await client.post(whole, json={"variant_id": medium}, headers=user.headers)
    await client.post(f"{ONE}/items/{wishes[0]['item_id']}/move-to-cart", json={}, headers=user.headers)
    cart = (await client.get("/api/v1/cart", headers=user.headers)).json()
    assert {line["sku"] for line in cart["items"]} == {one["sku"] for one in variants}


async def test_a_list_has_an_end_and_takes_products_of_the_shop_only(
    client: httpx.AsyncClient, create_user: Create, create_product: Create, shop: Any
) -> None:
    user = await create_user()
    nothing = {"product_id": str(new_id())}
    answer = await client.post(f"{ONE}/items", json=nothing, headers=user.headers)
    assert refused(answer) == (404, "product_not_found")
    one, another = await create_product(), await create_product()
    wishlist = await put(client, user, one)
    await shop.sql(  # 199 more
        "WITH filler AS (INSERT INTO products (id, sku, title, category_id, currency, price, base_price, created_at,"
        " updated_at) SELECT gen_random_uuid(), sku || n, title, category_id, currency, price, base_price, created_at,"
        " updated_at FROM products, generate_series(1, 199) n WHERE id = %s RETURNING id)"
        " INSERT INTO wishlist_items (id, wishlist_id, product_id, price_seen, added_at)"
        " SELECT gen_random_uuid(), %s, id, 1, now() FROM filler",
        one["product_id"],
        wishlist["wishlist_id"],
    )
    full = await client.post(f"{ONE}/items", json={"product_id": another["product_id"]}, headers=user.headers)
    assert refused(full) == (409, "wishlist_full")
    assert (await put(client, user, one))["items_count"] == 200  # what is there already is no more
