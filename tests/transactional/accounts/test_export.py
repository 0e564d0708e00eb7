"""An owner gets everything that is held about the account, nobody else anything, and much of it takes little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
import pyotp
from database import sql
from fastapi import FastAPI

from lakefront.ids import new_id
from transactional.accounts import export

Create = Callable[..., Awaitable[Any]]


async def ask(client: httpx.AsyncClient, user: Any, **proof: Any) -> httpx.Response:
    body = {"password": user.password, **proof}
    return await client.post("/api/v1/users/export", json=body, headers=user.headers)


async def test_the_owner_gets_everything(
    app: FastAPI,
    client: httpx.AsyncClient,
    internal: dict[str, str],
    shop: Any,
    create_user: Create,
    create_product: Create,
) -> None:
    user, product = await create_user(name="Ada Lovelace", country="GB"), await create_product(stock={"main": 50})
    address = {"name": "Ada", "street": "12 St James's Square", "city": "London", "zip": "SW1Y 4JH", "country": "GB"}
    await client.post("/api/v1/users/addresses", json=address, headers=user.headers)
    coupon = {"code": f"EXPORT-{new_id().hex[-6:]}".upper(), "kind": "percentage", "value": "10"}
    made = await client.post("/api/v1/promotions/coupons", json=coupon, headers=internal)
    assert made.status_code == 201, made.text
    credit = {"user_id": user.user_id, "amount": "5.00", "currency": "USD"}
    assert (await client.post("/api/v1/store-credit", json=credit, headers=internal)).status_code == 201
    terms = {"coupon_code": coupon["code"], "use_store_credit": True}
    placed = await shop.order(user.headers, product, 2, "tok_visa_0042", **terms)
    assert placed.status_code == 201, placed.text
    await shop.operate()
    for path, more in (("/cart/items", {"quantity": 3}), ("/users/wishlist/items", {})):
        body = {"product_id": product["product_id"], **more}
        assert (await client.post(f"/api/v1{path}", json=body, headers=user.headers)).status_code in (200, 201)

    answer = await ask(client, user)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-disposition"] == 'attachment; filename="lakefront-account.json"'
    found = answer.json()
    profile = found["profile"]
    assert (profile["email"], profile["name"], profile["country"]) == (user.email, "Ada Lovelace", "GB")
    assert (profile["has_password"], profile["second_factor"], profile["openid_identities"]) == (True, None, [])
    ((pseudonym,),) = await sql(app, "SELECT pseudonym::text FROM pseudonyms WHERE user_id = %s", user.user_id)
    assert profile["pseudonym"] == pseudonym
    assert [one["street"] for one in found["addresses"]] == ["12 St James's Square"]
    assert len(found["sessions"]) == 1
    (order,) = found["orders"]
    assert (order["order_id"], order["status"], order["total_amount"]) == (
        placed.json()["order_id"],
        "confirmed",
        "18.00",
    )
    assert order["shipping_address"]["street"] == "123 Main St"
    assert [(line["sku"], line["quantity"], line["total"]) for line in order["items"]] == [(product["sku"], 2, "18.00")]
    (payment,) = order["payments"]
    assert (payment["amount"], payment["status"], payment["method_end"]) == ("13.00", "captured", "0042")
    assert (order["coupon"]["code"], order["coupon"]["discount"]) == (coupon["code"], "2.00")
    assert [(one["kind"], one["amount"], one["status"]) for one in order["stored_value"]] == [
        ("store_credit", "5.00", "captured")
    ]
    assert [fact["sequence"] for fact in order["history"]] == [1, 2]
    assert [(item["sku"], item["quantity"]) for item in found["carts"][0]["items"]] == [(product["sku"], 3)]
    assert [item["sku"] for item in found["wishlists"][0]["items"]] == [product["sku"]]
    (value,) = found["stored_value"]
    assert (value["available"], [move["to"] for move in value["movements"]]) == ("0.00", ["available", "held", "spent"])
    assert [letter["subject"] for letter in found["letters"]] == ["Is this your address?"]
    assert [entry["action"] for entry in found["audit_log"]] == ["account_exported"]


async def test_what_the_account_wrote_is_in_it(
    app: FastAPI, client: httpx.AsyncClient, shop: Any, create_user: Create, create_product: Create
) -> None:
    user, product = await create_user(), await create_product(stock={"main": 5})
    order = (await shop.order(user.headers, product)).json()["order_id"]
    await sql(app, "UPDATE orders SET status = 'delivered' WHERE id = %s", order)
    review = {"rating": 2, "title": "Too small", "text": "It shrank in the wash.", "author": "Countess"}
    path = f"/api/v1/products/{product['product_id']}/reviews"
    assert (await client.post(path, json=review, headers=user.headers)).status_code == 201
    (found,) = (await ask(client, user)).json()["reviews"]
    assert found.items() >= {**review, "product_id": product["product_id"], "status": "pending"}.items()


async def test_no_secret_and_nobody_elses_data_is_in_it(
    app: FastAPI, client: httpx.AsyncClient, shop: Any, create_user: Create, create_product: Create
) -> None:
    user, other, product = await create_user(), await create_user(), await create_product(stock={"main": 5})
    await shop.order(user.headers, product, token="tok_visa_secret_0042")
    await shop.order(other.headers, product)
    await client.post(
        "/api/v1/users/email", json={"email": other.email, "password": user.password}, headers=user.headers
    )
    text = (await ask(client, user)).text
    bodies = await sql(app, "SELECT body FROM sandbox_messages WHERE user_id = %s", user.user_id)
    tokens = [body.rsplit("\n", 1)[-1] for (body,) in bodies]
    assert len(tokens) == 2
    for secret in (*tokens, "tok_visa_secret", "argon2", user.password, other.email, other.user_id):
        assert secret not in text


async def test_what_is_asked_of_a_new_address_does_not_tell_whether_it_is_taken(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    taken, seen = await create_user(), []
    for email in (taken.email, f"free-{new_id().hex}@example.com"):
        user = await create_user()
        await client.post("/api/v1/users/email", json={"email": email, "password": user.password}, headers=user.headers)
        found = (await ask(client, user)).json()
        seen.append([[letter["subject"] for letter in found["letters"]], [e["action"] for e in found["audit_log"]]])
    assert seen[0] == seen[1]
    assert seen[0][0] == ["Is this your address?", "Another address for your account"]


async def test_a_stolen_token_gets_nothing_and_the_owner_five_an_hour(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    refused = await ask(client, user, password=None)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert [(await ask(client, user)).status_code for _ in range(6)] == [200] * 5 + [429]


async def test_where_there_is_a_second_factor_it_is_asked_for(client: httpx.AsyncClient, create_user: Create) -> None:
    user, base = await create_user(), "/api/v1/users/second-factor"
    enrolled = await client.post(base, json={"kind": "totp", "password": user.password}, headers=user.headers)
    code = pyotp.TOTP(enrolled.json()["secret"]).now()
    codes = (await client.post(f"{base}/confirm", json={"code": code}, headers=user.headers)).json()["recovery_codes"]
    assert (await ask(client, user)).json()["code"] == "code_required"
    assert (await ask(client, user, code="000000")).json()["code"] == "invalid_code"
    found = await ask(client, user, code=codes[0])
    assert (found.status_code, found.json()["profile"]["second_factor"]["kind"]) == (200, "totp")


async def test_ten_thousand_orders_take_little_memory(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create, create_product: Create
) -> None:
    user, product = await create_user(), await create_product()
    await sql(app, """
        WITH placed AS (
            INSERT INTO orders (id, user_id, channel, status, currency, total, shipping_address, placed_at, updated_at)
            SELECT gen_random_uuid(), %s, 'import', 'delivered', 'USD', 30,
                   '{"street": "9 Old Street", "city": "Leeds"}', now() - n * interval '1 min', now()
              FROM generate_series(1, 10000) AS n
            RETURNING id)
        INSERT INTO order_lines (order_id, line_number, product_id, sku, title, quantity, unit_price, total)
        SELECT placed.id, line, %s, %s, repeat('A long title of a product ', 8), 1, 10, 10
          FROM placed, generate_series(1, 3) AS line""", user.user_id, product["product_id"], product["sku"])  # fmt: skip
    core, caller = app.state.core, type("Owner", (), {"member_id": user.user_id, "actor": user.user_id, "login": None})
    proof = export.OwnerProof(password=user.password)
    await export.export(core, caller, proof)  # what is loaded once is loaded  # type: ignore[arg-type]
    tracemalloc.start()
    document = await export.export(core, caller, proof)  # type: ignore[arg-type]
    size, peak = 0, 0
    with document:
        for chunk in iter(lambda: document.read(1 << 16), b""):
            size += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        document.seek(0)
        found = orjson.loads(document.read())
    assert len(found["orders"]) == 10_000
    assert {len(order["items"]) for order in found["orders"]} == {3}
    assert size > 15_000_000
    assert peak < size / 4, f"{peak:,} bytes for a document of {size:,}"
