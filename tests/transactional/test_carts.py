"""Carts: of accounts and guests, prices in force, limits, and what happens when two write at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

Create = Callable[..., Awaitable[Any]]


async def add(
    client: httpx.AsyncClient, headers: dict[str, str], product: dict[str, Any], quantity: int = 1
) -> httpx.Response:
    body = {"product_id": product["product_id"], "quantity": quantity}
    return await client.post("/api/v1/cart/items", json=body, headers=headers)


async def test_a_guest_fills_and_empties_a_cart(
    client: httpx.AsyncClient, create_product: Create, guest: dict[str, str]
) -> None:
    assert (await client.get("/api/v1/cart", headers=guest)).json() == {
        "cart_id": None,
        "currency": None,
        "total": "0.00",
        "items": [],
        "saved_for_later": [],
        "expires_at": None,
    }
    kettle = await create_product(price="19.99", stock={"main": 3})
    cart = (await add(client, guest, kettle, 2)).json()
    assert (cart["total"], cart["currency"]) == ("39.98", "USD")
    item = cart["items"][0]
    assert (item["quantity"], item["unit_price"], item["total"], item["available"]) == (2, "19.99", "39.98", True)
    url = f"/api/v1/cart/items/{item['item_id']}"
    changed = (await client.put(url, json={"quantity": 5}, headers=guest)).json()
    assert (changed["total"], changed["items"][0]["available"]) == ("99.95", False)
    emptied = (await client.delete(url, headers=guest)).json()
    assert (emptied["items"], emptied["total"]) == ([], "0.00")
    assert (await client.delete(url, headers=guest)).json()["code"] == "cart_item_not_found"


async def test_the_price_in_force_stands_beside_the_price_seen(
    app: FastAPI, client: httpx.AsyncClient, create_product: Create, guest: dict[str, str]
) -> None:
    product = await create_product(price="10.00")
    await add(client, guest, product)
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE products SET price = 11 WHERE id = %s", [product["product_id"]])
    item = (await client.get("/api/v1/cart", headers=guest)).json()["items"][0]
    assert (item["price_when_added"], item["unit_price"]) == ("10.00", "11.00")


async def test_adding_at_once_loses_nothing(
    client: httpx.AsyncClient, create_product: Create, create_user: Create
) -> None:
    user, product = await create_user(), await create_product()
    answers = await asyncio.gather(*(add(client, user.headers, product) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    cart = (await client.get("/api/v1/cart", headers=user.headers)).json()
    assert [item["quantity"] for item in cart["items"]] == [8]


async def test_carts_are_their_owners_alone(
    client: httpx.AsyncClient, create_product: Create, create_user: Create, guest: dict[str, str]
) -> None:
    product, user = await create_product(), await create_user()
    item = (await add(client, guest, product)).json()["items"][0]
    url = f"/api/v1/cart/items/{item['item_id']}"
    assert (await client.put(url, json={"quantity": 9}, headers=user.headers)).status_code == 404
    assert (await client.delete(url, headers={"X-Session-Id": "another-session"})).status_code == 404
    assert (await client.get("/api/v1/cart", headers=guest)).json()["items"][0]["quantity"] == 1


async def test_a_guest_who_logs_in_keeps_the_cart(
    client: httpx.AsyncClient, create_product: Create, create_user: Create, guest: dict[str, str]
) -> None:
    both, only_guest, user = await create_product(), await create_product(), await create_user()
    await add(client, user.headers, both, 1)
    await add(client, guest, both, 2)
    await add(client, guest, only_guest, 1)
    login = {"email": user.email, "password": user.password}
    assert (await client.post("/api/v1/auth/login", json=login, headers=guest)).status_code == 200
    cart = (await client.get("/api/v1/cart", headers=user.headers)).json()
    assert {item["product_id"]: item["quantity"] for item in cart["items"]} == {
        both["product_id"]: 3,
        only_guest["product_id"]: 1,
    }
    assert (await client.get("/api/v1/cart", headers=guest)).json()["items"] == []


async def test_a_cart_has_one_currency(
    client: httpx.AsyncClient, create_product: Create, guest: dict[str, str]
) -> None:
    await add(client, guest, await create_product(currency="USD"))
    answer = await add(client, guest, await create_product(currency="EUR"))
    assert (answer.status_code, answer.json()["code"]) == (409, "other_currency")


async def test_what_does_not_fit_is_refused_and_changes_nothing(
    app: FastAPI, client: httpx.AsyncClient, create_product: Create, guest: dict[str, str]
) -> None:
    product = await create_product()
    await add(client, guest, product, 999)
    too_many = await add(client, guest, product, 2)
    assert (too_many.status_code, too_many.json()["code"]) == (409, "too_many")
    gone = await create_product()
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE products SET status = 'inactive' WHERE id = %s", [gone["product_id"]])
    assert (await add(client, guest, gone)).json()["code"] == "product_not_for_sale"
    cart = (await client.get("/api/v1/cart", headers=guest)).json()
    assert [item["quantity"] for item in cart["items"]] == [999]


@pytest.mark.parametrize("quantity", [0, -1, 1001, 1.5, "2", None])
async def test_a_bad_quantity_is_named(
    client: httpx.AsyncClient, create_product: Create, guest: dict[str, str], quantity: Any
) -> None:
    product = await create_product()
    body = {"product_id": product["product_id"], "quantity": quantity}
    answer = await client.post("/api/v1/cart/items", json=body, headers=guest)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "quantity")


async def test_unknown_products_and_missing_sessions(client: httpx.AsyncClient, guest: dict[str, str]) -> None:
    unknown = await add(client, guest, {"product_id": "01920000-0000-7000-8000-00000000dead"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "product_not_found")
    assert (await client.get("/api/v1/cart")).json()["code"] == "session_required"
    bad = await client.get("/api/v1/cart", headers={"X-Session-Id": "no spaces, please"})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid_session")
