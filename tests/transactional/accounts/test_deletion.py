"""A deleted account leaves nothing in the database that names its owner, and what the law wants kept stays."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from database import sql
from fastapi import FastAPI
from psycopg import sql as composed

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.accounts import deletion
from transactional.platform.tokens import Identity, sign

Create = Callable[..., Awaitable[Any]]
STREET = f"Godolphin Mews {new_id().hex}"
"""Of the accounts that a test deletes: no other test leaves it behind."""
NAME = "Euphemia Quillfeather"
COLUMNS = """
SELECT c.table_schema, c.table_name, c.column_name FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE c.table_schema NOT IN ('pg_catalog', 'information_schema') AND t.table_type = 'BASE TABLE'
   AND (c.data_type IN ('text', 'character varying', 'character', 'json', 'jsonb', 'bytea') OR c.data_type = 'ARRAY')
"""
# Bytes are looked at as text and as what they spell in hexadecimal.
HITS = (
    "SELECT count(*) FROM {table} WHERE position(%s in lower({column}::text)) > 0 OR position(%s in {column}::text) > 0"
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting until other processes know: there are none."""
    monkeypatch.setattr(deletion, "UNTIL_ALL_KNOW", timedelta(0))


async def where(app: FastAPI, needle: str) -> set[str]:
    """The columns of the whole database in which a text stands, in whatever case, readable or as bytes."""
    found = set()
    for schema, table, column in await sql(app, COLUMNS):
        names = {"table": composed.Identifier(schema, table), "column": composed.Identifier(column)}
        statement = composed.SQL(HITS).format(**names)
        ((hits,),) = await sql(app, statement, needle.lower(), needle.encode().hex())
        if hits:
            found.add(f"{table}.{column}")
    return found


async def ask(client: httpx.AsyncClient, user: Any, **proof: Any) -> httpx.Response:
    body = {"password": user.password, **proof}
    return await client.post("/api/v1/users/deletion", json=body, headers=user.headers)


async def log_in(client: httpx.AsyncClient, user: Any) -> httpx.Response:
    return await client.post("/api/v1/auth/login", json={"email": user.email, "password": user.password})


async def due(app: FastAPI, user: Any) -> None:
    """The days of grace are over."""
    await sql(app, "UPDATE account_deletions SET due_at = %s WHERE user_id = %s", real_now(), user.user_id)


async def delete(app: FastAPI, client: httpx.AsyncClient, user: Any) -> None:
    assert (await ask(client, user)).status_code == 202
    await due(app, user)
    while await deletion.carry_out_due(app.state.core):
        pass


async def is_there(app: FastAPI, user: Any) -> bool:
    return bool(await sql(app, "SELECT 1 FROM users WHERE id = %s", user.user_id))


@pytest.fixture
async def bought(
    app: FastAPI,
    client: httpx.AsyncClient,
    internal: dict[str, str],
    shop: Any,
    create_user: Create,
    create_product: Create,
) -> AsyncIterator[tuple[Any, list[str]]]:
    """Somebody with what most accounts have: an address, orders that have ended in each way, a cart and a wishlist."""
    email = f"euphemia.{new_id().hex}@example.com"
    user, product = await create_user(email=email, name=NAME, country="GB"), await create_product(stock={"main": 50})
    address = {"name": NAME, "street": f"7 {STREET}", "city": "London", "zip": "W12 8QN", "country": "GB"}
    assert (await client.post("/api/v1/users/addresses", json=address, headers=user.headers)).status_code == 201
    sent_to = {key: value for key, value in address.items() if key != "name"}
    orders = []
    for number, status in enumerate(("delivered", "cancelled", "failed")):
        headers = {**user.headers, "Idempotency-Key": f"{email}-{number}", "X-Session-Id": f"visit-{new_id().hex}"}
        token = "tok_decline_x" if status == "failed" else "tok_visa"
        placed = await shop.order(headers, product, token=token, shipping_address=sent_to)
        ((order,),) = await sql(
            app, "SELECT id::text FROM orders WHERE user_id = %s ORDER BY placed_at DESC LIMIT 1", user.user_id
        )
        orders.append(order)
        assert placed.status_code == (402 if status == "failed" else 201), placed.text
    await shop.operate()
    for status in ("processing", "shipped", "delivered"):
        moved = await client.put(f"/api/v1/orders/{orders[0]}/status", json={"status": status}, headers=internal)
        assert moved.status_code == 200, moved.text
    cancelled = await client.put(f"/api/v1/orders/{orders[1]}/cancel", headers=user.headers)
    assert cancelled.status_code == 200, cancelled.text
    await shop.operate()
    for path in ("/cart/items", "/users/wishlist/items"):
        body = {"product_id": product["product_id"], **({"quantity": 2} if path == "/cart/items" else {})}
        assert (await client.post(f"/api/v1{path}", json=body, headers=user.headers)).status_code in (200, 201)
    review = {"rating": 5, "title": "Warm and dry", "text": "Worn for a whole winter.", "author": NAME}
    written = await client.post(f"/api/v1/products/{product['product_id']}/reviews", json=review, headers=user.headers)
    assert written.status_code == 201, written.text
    body = {"version": written.json()["version"]}
    shown = await client.post(f"/api/v1/reviews/{written.json()['review_id']}/approve", json=body, headers=internal)
    assert shown.status_code == 200, shown.text
    yield user, orders


async def test_nothing_in_the_database_names_who_was_deleted(
    app: FastAPI, client: httpx.AsyncClient, shop: Any, bought: tuple[Any, list[str]]
) -> None:
    user, orders = bought
    await client.post("/api/v1/users/email", json={"email": f"new-{user.email}", "password": user.password},
                      headers=user.headers)  # fmt: skip
    assert {"sandbox_messages.recipient", "checkouts.idempotency_key"} <= await where(app, user.email)
    assert await where(app, STREET) == {"orders.shipping_address", "orders.billing_address"}
    await sql(app, "UPDATE wishlists SET name = %s WHERE user_id = %s", f"For {NAME}", user.user_id)
    assert await where(app, NAME) == {"wishlists.name", "reviews.author"}
    reviewed = "SELECT rating_count FROM products p JOIN order_lines l ON l.product_id = p.id WHERE l.order_id = %s"
    assert await sql(app, reviewed, orders[0]) == [(1,)]
    ledger = await sql(app, "SELECT sum(amount) FROM payment_ledger")

    await delete(app, client, user)
    for needle in (user.email, f"new-{user.email}", NAME, "quillfeather", STREET):
        assert await where(app, needle) == set(), needle
    statement = "SELECT status, user_id, shipping_address, billing_address FROM orders WHERE id = %s"
    kept = [(await sql(app, statement, order))[0] for order in orders]
    assert kept == [(status, None, None, None) for status in ("delivered", "cancelled", "failed")]
    paid = "SELECT DISTINCT method_token FROM payments WHERE order_id = ANY(%s::uuid[])"
    assert await sql(app, paid, orders) == [("erased",)]
    assert await sql(app, reviewed, orders[0]) == [(0,)]
    assert (await shop.payment(orders[0]))["status"] == "captured"
    assert await sql(app, "SELECT sum(amount) FROM payment_ledger") == ledger
    for table in (
        "users",
        "pseudonyms",
        "sessions",
        "addresses",
        "wishlists",
        "carts",
        "account_tokens",
        "refresh_tokens",
    ):
        column = "id" if table == "users" else "user_id"
        counted = composed.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(
            composed.Identifier(table), composed.Identifier(column)
        )
        assert await sql(app, counted, user.user_id) == [(0,)], table
    actions = await sql(app, "SELECT action FROM audit_log WHERE subject = %s ORDER BY id", user.user_id)
    assert actions == [("email_change_asked",), ("deletion_asked",), ("account_deleted",)]


async def test_telephone_number_and_identity_go_too(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, number = await create_user(), f"+44{new_id().int % 10**10:010}"
    body = {"kind": "sms", "phone_number": number, "password": user.password}
    assert (await client.post("/api/v1/users/second-factor", json=body, headers=user.headers)).status_code == 201
    subject, issuer = f"subject-{new_id().hex}", "https://provider.example"
    link = "INSERT INTO openid_identities VALUES (%s, %s, %s, now(), now())"
    await sql(app, link, issuer, subject, user.user_id)
    assert await where(app, number) == {"sandbox_messages.recipient"}
    assert await where(app, subject) == {"openid_identities.subject"}
    await delete(app, client, user)
    assert (await where(app, number), await where(app, subject)) == (set(), set())


async def test_orders_still_agree_with_their_histories_and_the_failed_one_is_not_paid_again(
    app: FastAPI, client: httpx.AsyncClient, internal: dict[str, str], bought: tuple[Any, list[str]]
) -> None:
    from transactional.orders.projection import check

    user, orders = bought
    await delete(app, client, user)
    findings = [finding for batch in [batch async for batch in check(app.state.core.db)] for finding in batch]
    assert [finding for finding in findings if str(finding.order_id) in orders] == []
    again = {"order_id": orders[2], "payment_method": "tok_visa"}
    refused = await client.post("/api/v1/payments/process", json=again, headers=internal)
    assert refused.status_code == 409, refused.text
    shown = (await client.get(f"/api/v1/orders/{orders[0]}", headers=internal)).json()
    assert (shown["status"], shown["shipping_address"]) == ("delivered", None)


async def test_the_address_can_be_registered_anew(app: FastAPI, client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    await delete(app, client, user)
    assert (await log_in(client, user)).json()["code"] == "invalid_credentials"
    anew = await create_user(email=user.email)
    assert anew.user_id != user.user_id
    assert (await client.get("/api/v1/users/orders", headers=anew.headers)).json()["items"] == []


async def test_logging_in_takes_it_back_until_it_has_begun(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    asked = await ask(client, user)
    assert asked.status_code == 202
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).json()["code"] == "session_ended"
    waits = (await sql(app, "SELECT due_at FROM account_deletions WHERE user_id = %s", user.user_id))[0][0] - real_now()
    assert timedelta(days=13, hours=23) < waits < timedelta(days=14)
    assert await deletion.carry_out_due(app.state.core) == 0
    back = await log_in(client, user)
    assert (back.status_code, back.json()["deletion_cancelled"]) == (200, True)
    assert (await log_in(client, user)).json()["deletion_cancelled"] is False
    await due(app, user)
    assert await deletion.carry_out_due(app.state.core) == 0
    assert await is_there(app, user)
    actions = await sql(app, "SELECT action FROM audit_log WHERE subject = %s ORDER BY id", user.user_id)
    assert actions == [("deletion_asked",), ("deletion_cancelled",)]


async def test_once_it_has_begun_nobody_logs_in(app: FastAPI, client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    await ask(client, user)
    await due(app, user)
    assert await deletion.carry_out_due(app.state.core) == 1
    refused = await log_in(client, user)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert await sql(app, "SELECT count(*) FROM sessions WHERE user_id = %s AND revoked_at IS NULL", user.user_id) == [
        (0,)
    ]
    assert await is_there(app, user)


async def test_logins_and_the_beginning_at_once_end_one_way_or_the_other(
    app: FastAPI, client: httpx.AsyncClient, wide_core: Any, create_user: Create
) -> None:
    for _ in range(6):
        user = await create_user()
        await ask(client, user)
        await due(app, user)
        answer, _ = await asyncio.gather(log_in(client, user), deletion.carry_out_due(wide_core))
        began = await sql(app, "SELECT began_at IS NOT NULL FROM account_deletions WHERE user_id = %s", user.user_id)
        live = "SELECT count(*) FROM sessions WHERE user_id = %s AND revoked_at IS NULL"
        assert (answer.status_code, began, await sql(app, live, user.user_id)) in (
            (200, [], [(1,)]), (401, [(True,)], [(0,)]),
        )  # fmt: skip
        while await deletion.carry_out_due(wide_core):
            pass


async def test_a_stolen_token_deletes_nothing(app: FastAPI, client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    for proof in ({"password": None}, {"password": "a guess of mine"}):
        refused = await ask(client, user, **proof)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert await sql(app, "SELECT 1 FROM account_deletions WHERE user_id = %s", user.user_id) == []


async def test_open_orders_hold_it_back(
    app: FastAPI,
    client: httpx.AsyncClient,
    internal: dict[str, str],
    shop: Any,
    create_user: Create,
    create_product: Create,
) -> None:
    user, product = await create_user(), await create_product(stock={"main": 5})
    order = (await shop.order(user.headers, product)).json()["order_id"]
    refused = await ask(client, user)
    assert (refused.status_code, refused.json()["code"], refused.json()["orders"]) == (409, "open_orders", [order])
    await sql(app, "INSERT INTO account_deletions VALUES (%s, now(), now() - interval '1 s')", user.user_id)
    assert await deletion.carry_out_due(app.state.core) == 1
    held = "SELECT held_back, began_at, due_at > now() + interval '59 min' FROM account_deletions WHERE user_id = %s"
    assert await sql(app, held, user.user_id) == [("open_orders", None, True)]
    await sql(app, "UPDATE account_deletions SET began_at = now(), due_at = now() WHERE user_id = %s", user.user_id)
    assert await deletion.carry_out_due(app.state.core) == 1  # one that came in while it began
    assert await sql(app, held, user.user_id) == [("open_orders", None, True)]
    address = "SELECT shipping_address ->> 'city' FROM orders WHERE id = %s"
    assert await sql(app, address, order) == [("Seattle",)]
    await client.put(f"/api/v1/orders/{order}/cancel", headers=user.headers)
    await due(app, user)
    while await deletion.carry_out_due(app.state.core):
        pass
    assert await sql(app, address, order) == [(None,)]
    assert not await is_there(app, user)


async def test_the_last_administrator_stays(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create, internal: dict[str, str]
) -> None:
    await sql(app, "UPDATE users SET role = 'shopper' WHERE role = 'admin'")
    admins = []
    for user in [await create_user(), await create_user()]:
        await client.put(f"/api/v1/users/{user.user_id}/role", json={"role": "admin"}, headers=internal)
        token = (await log_in(client, user)).json()["access_token"]
        admins.append(type(user)(user.user_id, user.email, user.password, token, ""))
    answers = await asyncio.gather(*(ask(client, admin) for admin in admins))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    (refused,) = [answer for answer in answers if answer.status_code == 409]
    assert refused.json()["code"] == "last_admin"
    # The other one is no administrator any more when the days of grace are over.
    leaving, staying = admins if answers[0].status_code == 202 else admins[::-1]
    await sql(app, "UPDATE users SET role = 'shopper' WHERE id = %s", staying.user_id)
    await due(app, leaving)
    assert await deletion.carry_out_due(app.state.core) == 1
    held = "SELECT held_back FROM account_deletions WHERE user_id = %s"
    assert await sql(app, held, leaving.user_id) == [("last_admin",)]
    await sql(app, "UPDATE users SET role = 'shopper' WHERE id = %s", leaving.user_id)


async def with_orders(app: FastAPI, user: Any, number: int, street: str) -> None:
    """Delivered orders, as an import leaves them."""
    await sql(app, """
        INSERT INTO orders (id, user_id, channel, status, currency, total, shipping_address, placed_at, updated_at)
        SELECT gen_random_uuid(), %s, 'import', 'delivered', 'USD', 1, jsonb_build_object('street', %s::text), now(), now()
          FROM generate_series(1, %s)""", user.user_id, street, number)  # fmt: skip


async def test_workers_at_once_delete_each_account_once(
    app: FastAPI, client: httpx.AsyncClient, wide_core: Any, create_user: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "BATCH", 3)
    monkeypatch.setattr(deletion, "LEASE", timedelta(0))  # nobody's lease keeps the others away
    users, street = [await create_user() for _ in range(3)], f"Mews {new_id().hex}"
    for user in users:
        await with_orders(app, user, 10, street)
        await ask(client, user)
        await due(app, user)
    for _ in range(4):
        await asyncio.gather(*(deletion.carry_out_due(wide_core) for _ in range(8)))
    ids = [user.user_id for user in users]
    assert [await is_there(app, user) for user in users] == [False] * 3
    deleted = "SELECT count(*) FROM audit_log WHERE action = 'account_deleted' AND subject = ANY(%s)"
    assert await sql(app, deleted, ids) == [(3,)]
    assert await where(app, street) == set()


async def test_a_worker_that_dies_in_the_middle_is_followed_by_another(
    app: FastAPI, client: httpx.AsyncClient, wide_core: Any, create_user: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "BATCH", 3)
    user, street = await create_user(), f"Mews {new_id().hex}"
    await with_orders(app, user, 10, street)
    assert await where(app, street) == {"orders.shipping_address"}
    await ask(client, user)
    await due(app, user)
    await deletion.carry_out_due(wide_core)
    erase, calls = deletion._erase_orders, 0

    async def dies(connection: Any, user_id: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            ((pid,),) = await (await connection.execute("SELECT pg_backend_pid()")).fetchall()
            await sql(app, "SELECT pg_terminate_backend(%s)", pid)
        return await erase(connection, user_id)

    monkeypatch.setattr(deletion, "_erase_orders", dies)
    with pytest.raises(psycopg.OperationalError):
        await deletion.carry_out_due(wide_core)
    left = "SELECT count(*) FROM orders WHERE user_id = %s AND shipping_address IS NOT NULL"
    assert await sql(app, left, user.user_id) == [(4,)]
    monkeypatch.setattr(deletion, "_erase_orders", erase)
    assert await deletion.carry_out_due(wide_core) == 0  # the lease of the dead one
    await due(app, user)
    assert await deletion.carry_out_due(wide_core) == 1
    assert not await is_there(app, user)
    assert await where(app, street) == set()


def lasting(user: Any) -> dict[str, str]:
    """Headers of a token that no session's end reaches: of a request that was let in before."""
    far = time.time() + 600
    opened = Identity(
        UUID(user.user_id), new_id(), "shopper", "example.com", "US", real_now(), is_simulated=False, expires_at=far
    )
    return {"Authorization": f"Bearer {sign(opened)}"}


async def test_an_order_that_comes_in_meanwhile_either_holds_it_back_or_is_refused(
    app: FastAPI, wide_core: Any, shop: Any, client: httpx.AsyncClient, create_user: Create, create_product: Create
) -> None:
    product = await create_product(stock={"main": 100})
    seen = set()
    for number in range(12):
        user, street = await create_user(), f"Mews {new_id().hex}"
        await ask(client, user)
        await due(app, user)
        assert await deletion.carry_out_due(wide_core) == 1

        async def carry_out(wait: float) -> None:
            await asyncio.sleep(wait)
            await deletion.carry_out_due(wide_core)

        address = {"street": street, "city": "Leeds", "zip": "LS1", "country": "GB"}
        order, _ = await asyncio.gather(
            shop.order(lasting(user), product, shipping_address=address), carry_out(number * 0.004)
        )
        held = await sql(app, "SELECT held_back FROM account_deletions WHERE user_id = %s", user.user_id)
        outcome = (order.status_code, await is_there(app, user), held, bool(await where(app, street)))
        assert outcome in ((401, False, [], False), (201, True, [("open_orders",)], True))
        seen.add(order.status_code)
    assert seen == {201, 401}


@pytest.fixture
def no_grace(settings_with: Callable[..., Any]) -> Iterator[None]:
    """Asked for before the application."""
    with settings_with(LAKEFRONT_ACCOUNT_DELETION_GRACE_DAYS="0"):
        yield


@pytest.mark.usefixtures("no_grace")
async def test_without_days_of_grace_it_is_at_once_also_where_the_worker_is_killed(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, street = await create_user(), f"Mews {new_id().hex}"
    await with_orders(app, user, 10, street)
    asked = await ask(client, user)
    assert asked.status_code == 202
    began = "SELECT 1 FROM account_deletions WHERE user_id = %s AND began_at IS NOT NULL"
    gone = "SELECT 1 WHERE NOT EXISTS (SELECT FROM users WHERE id = %s)"
    for until in (began, gone):
        command = (sys.executable, "-m", "transactional.worker")
        process = await asyncio.create_subprocess_exec(
            *command, env=dict(os.environ), stdout=asyncio.subprocess.DEVNULL
        )
        try:
            for _ in range(300):
                if await sql(app, until, user.user_id):
                    break
                await asyncio.sleep(0.1)
            assert await sql(app, until, user.user_id) == [(1,)]
        finally:
            process.kill()
            await process.wait()
    assert await where(app, street) == set()


async def test_a_token_that_outlives_its_account_is_refused(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create, create_product: Create
) -> None:
    from transactional.platform import revocations

    user, product = await create_user(), await create_product(stock={"main": 5})
    await delete(app, client, user)
    revocations._ended.clear()  # a worker that started after the sessions were gone
    body = {"product_id": product["product_id"], "quantity": 1}
    refused = await client.post("/api/v1/cart/items", json=body, headers=user.headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).status_code == 404


async def test_store_credit_ends_with_its_account_and_the_ledger_says_the_same(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create, internal: dict[str, str]
) -> None:
    user = await create_user()
    body = {"user_id": user.user_id, "amount": "12.50", "currency": "USD"}
    assert (await client.post("/api/v1/store-credit", json=body, headers=internal)).status_code in (200, 201)
    ((credit,),) = await sql(app, "SELECT id FROM stored_values WHERE user_id = %s", user.user_id)
    await delete(app, client, user)
    kept = "SELECT user_id, available, ended_at IS NOT NULL FROM stored_values WHERE id = %s"
    ((owner, available, ended),) = await sql(app, kept, credit)
    assert (owner, str(available), ended) == (None, "12.5000", True)


async def test_whatever_refers_to_accounts_goes_or_lets_go_with_them(app: FastAPI) -> None:
    keeping = """
        SELECT conrelid::regclass::text FROM pg_constraint
         WHERE contype = 'f' AND confrelid = 'users'::regclass AND confdeltype NOT IN ('c', 'n')"""
    assert await sql(app, keeping) == []
