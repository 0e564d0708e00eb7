"""Accounts: registration, login, refresh tokens that are good once, profiles, and tokens that are not valid."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from lakefront.ids import new_id
from lakefront.secrets import secrets
from transactional.platform.tokens import Identity, sign, verify

Create = Callable[..., Awaitable[Any]]
IDENTITY = Identity(
    user_id=uuid4(),
    user=uuid4(),
    role="shopper",
    email_domain="example.com",
    country=None,
    account_created_at=datetime(2026, 1, 1, tzinfo=UTC),
    is_simulated=False,
    expires_at=time.time() + 600,
)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_register_and_show_the_profile(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user(name="Ada", country="GB")
    profile = (await client.get("/api/v1/users/profile", headers=user.headers)).json()
    assert profile["user_id"] == user.user_id
    assert (profile["email"], profile["name"], profile["country"], profile["role"]) == (
        user.email,
        "Ada",
        "GB",
        "shopper",
    )
    assert "password" not in str(profile)


async def test_registration_is_told_by_pseudonym_only(app: FastAPI, create_user: Create) -> None:
    user = await create_user(name="Nobody's Name", country="GB")
    pseudonym = str(verify(user.access_token).user)
    async with app.state.core.db.connection() as connection:
        found = await connection.execute("SELECT envelope FROM outbox WHERE envelope LIKE %s", [f"%{pseudonym}%"])
        envelopes = [row[0] for row in await found.fetchall()]
    assert len(envelopes) == 1
    event = orjson.loads(envelopes[0])
    assert (event["event_type"], event["sequence"], event["key"]) == ("accounts.user.registered.v1", 1, pseudonym)
    assert event["data"] == {"user": pseudonym, "email_domain": "example.com", "country": "GB"}
    for personal in (user.user_id, user.email, "Nobody's Name"):
        assert personal not in envelopes[0]


async def test_an_address_has_one_account_even_at_once(client: httpx.AsyncClient) -> None:
    name = f"Race-{new_id().hex}"
    bodies = [
        {"email": email, "password": "correct horse battery"}
        for email in (f"{name}@example.com", f"{name.lower()}@EXAMPLE.com", f"{name.upper()}@example.com")
    ]
    answers = await asyncio.gather(*(client.post("/api/v1/auth/register", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}


async def test_log_in_with_any_spelling_of_the_address(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    answer = await client.post("/api/v1/auth/login", json={"email": user.email.upper(), "password": user.password})
    assert answer.status_code == 200
    assert answer.json()["user_id"] == user.user_id
    assert answer.json()["token_type"] == "Bearer"


async def test_a_wrong_password_and_an_unknown_address_look_the_same(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    answers = [
        await client.post("/api/v1/auth/login", json={"email": email, "password": "wrong password"})
        for email in (user.email, f"{new_id().hex}@example.com")
    ]
    documents = [answer.json() | {"correlation_id": None} for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert documents[0] == documents[1]
    assert documents[0]["code"] == "invalid_credentials"


async def test_guessing_passwords_is_slowed_down(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    wrong = {"email": user.email, "password": "wrong password"}
    statuses = [(await client.post("/api/v1/auth/login", json=wrong)).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    right = await client.post("/api/v1/auth/login", json={"email": user.email, "password": user.password})
    assert right.status_code == 429
    assert int(right.headers["Retry-After"]) > 0


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_family(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()

    async def refresh(token: str) -> httpx.Response:
        return await client.post("/api/v1/auth/refresh", json={"refresh_token": token})

    second = await refresh(user.refresh_token)
    assert second.status_code == 200
    assert (await client.get("/api/v1/users/profile", headers=bearer(second.json()["access_token"]))).status_code == 200
    reused = await refresh(user.refresh_token)
    assert (reused.status_code, reused.json()["code"]) == (401, "refresh_token_reused")
    ended = await refresh(second.json()["refresh_token"])
    assert (ended.status_code, ended.json()["code"]) == (401, "invalid_refresh_token")
    unknown = await refresh("x" * 43)
    assert (unknown.status_code, unknown.json()["code"]) == (401, "invalid_refresh_token")


async def test_of_two_refreshes_at_once_one_wins(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    body = {"refresh_token": user.refresh_token}
    answers = await asyncio.gather(*(client.post("/api/v1/auth/refresh", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_other_logins_survive_the_end_of_a_family(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    login = {"email": user.email, "password": user.password}
    other = (await client.post("/api/v1/auth/login", json=login)).json()
    for _ in range(2):
        await client.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
    answer = await client.post("/api/v1/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert answer.status_code == 200


async def test_change_the_profile(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user(name="Ada", country="GB")
    answer = await client.put("/api/v1/users/profile", json={"name": "Ada L."}, headers=user.headers)
    assert (answer.json()["name"], answer.json()["country"]) == ("Ada L.", "GB")
    wrong = await client.put("/api/v1/users/profile", json={"role": "admin"}, headers=user.headers)
    assert wrong.status_code == 422


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a b@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"country": "Britain"}, "country"),
        ({"role": "admin"}, "role"),
    ],
)
async def test_a_bad_registration_is_named(client: httpx.AsyncClient, change: dict[str, Any], field: str) -> None:
    body = {"email": f"{new_id().hex}@example.com", "password": "correct horse battery"} | change
    answer = await client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert str(body["password"]) not in answer.text


async def test_a_body_that_is_no_json(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/login", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


def forged(algorithm: str) -> str:
    claims = jwt.decode(sign(IDENTITY), options={"verify_signature": False})
    if algorithm == "none":
        return jwt.encode(claims, None, algorithm="none")
    if algorithm == "HS256":
        return jwt.encode(claims, "a guess of thirty-two bytes length", algorithm="HS256")
    return jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "EdDSA"])
async def test_a_forged_token_is_refused(client: httpx.AsyncClient, algorithm: str) -> None:
    answer = await client.get("/api/v1/users/profile", headers=bearer(forged(algorithm)))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_stale_token_is_refused_also_where_none_is_needed(client: httpx.AsyncClient) -> None:
    stale = bearer(sign(replace(IDENTITY, expires_at=time.time() - 1)))
    for path in ("/api/v1/users/profile", "/api/v1/cart"):
        answer = await client.get(path, headers=stale)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")


def test_a_remembered_token_ends_too() -> None:
    token = sign(replace(IDENTITY, expires_at=time.time() + 1.2))
    assert verify(token).user_id == IDENTITY.user_id
    time.sleep(1.3)
    with pytest.raises(Exception, match="refresh"):
        verify(token)


async def test_the_first_merchandiser_can_log_in(client: httpx.AsyncClient) -> None:
    body = {"email": "merchandiser@lakefront.example", "password": secrets().merchandiser_password}
    answer = await client.post("/api/v1/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    profile = await client.get("/api/v1/users/profile", headers=bearer(answer.json()["access_token"]))
    assert profile.json()["role"] == "merchandiser"


async def test_a_wrong_internal_key_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/cart", headers={"X-Internal-Key": "guess", "X-Session-Id": "some-session"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_internal_key")


async def test_ones_orders_newest_first_by_cursor(app: FastAPI, client: httpx.AsyncClient, create_user: Create) -> None:
    user, other = await create_user(), await create_user()
    placed = [datetime(2026, 1, day, tzinfo=UTC) for day in (3, 1, 2, 2)]
    async with app.state.core.db.connection() as connection:
        for owner, moment in [(user, moment) for moment in placed] + [(other, placed[0])]:
            await connection.execute(
                "INSERT INTO orders (id, user_id, status, currency, total, placed_at, updated_at)"
                " VALUES (%s, %s, 'confirmed', 'USD', 12.5, %s, %s)",
                [new_id(), owner.user_id, moment, moment],
            )
    seen: list[dict[str, Any]] = []
    cursor = None
    for _ in range(3):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/v1/users/orders", params=params, headers=user.headers)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [order["placed_at"][:10] for order in seen] == ["2026-01-03", "2026-01-02", "2026-01-02", "2026-01-01"]
    assert len({order["order_id"] for order in seen}) == 4
    assert seen[0]["total_amount"] == "12.50"
    assert (await client.get("/api/v1/users/orders?cursor=x", headers=user.headers)).json()["code"] == "invalid_cursor"


async def test_ones_orders_of_some_statuses_page_by_page(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    statuses = ("shipped", "delivered", "cancelled", "shipped", "delivered")
    async with app.state.core.db.connection() as connection:
        for day, status in enumerate(statuses, 1):
            moment = datetime(2026, 1, day, tzinfo=UTC)
            await connection.execute(
                "INSERT INTO orders (id, user_id, status, currency, total, placed_at, updated_at)"
                " VALUES (%s, %s, %s, 'USD', 1, %s, %s)",
                [new_id(), user.user_id, status, moment, moment],
            )
    seen: list[tuple[str, str]] = []
    params: dict[str, Any] = {"limit": 3, "status": ["shipped", "delivered"]}
    for _ in range(2):
        page = (await client.get("/api/v1/users/orders", params=params, headers=user.headers)).json()
        seen += [(order["placed_at"][8:10], order["status"]) for order in page["items"]]
        params["cursor"] = page["next_cursor"]
    assert seen == [("05", "delivered"), ("04", "shipped"), ("02", "delivered"), ("01", "shipped")]
    assert params["cursor"] is None
    wrong = await client.get("/api/v1/users/orders", params={"status": "lost"}, headers=user.headers)
    assert wrong.status_code == 422
