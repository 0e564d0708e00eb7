"""Weak passwords are refused, guessing is locked out, and a letter proves whose account it is: once, and not for long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.accounts import attempts
from transactional.accounts.tasks import forget_ended
from transactional.platform.query import rows

Create = Callable[..., Awaitable[Any]]


async def letters_to(app: FastAPI, email: str) -> list[str]:
    """The tokens that were sent, oldest first."""
    async with app.state.core.db.connection() as connection:
        found = await rows(
            connection, "SELECT body FROM sandbox_messages WHERE recipient = %(to)s ORDER BY sent_at", {"to": email}
        )
    return [row["body"].rsplit("\n", 1)[1] for row in found if "\n" in row["body"]]


async def subjects_to(app: FastAPI, email: str) -> list[str]:
    """Of the letters that were sent, oldest first."""
    async with app.state.core.db.connection() as connection:
        found = await rows(
            connection, "SELECT subject FROM sandbox_messages WHERE recipient = %(to)s ORDER BY sent_at", {"to": email}
        )
    return [row["subject"] for row in found]


async def log_in(client: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await client.post("/api/v1/auth/login", json={"email": email, "password": password})


async def reset(client: httpx.AsyncClient, token: str, password: str = "a quite different phrase") -> httpx.Response:
    return await client.post("/api/v1/auth/password/reset", json={"token": token, "new_password": password})


@pytest.mark.parametrize(
    "password",
    [
        "password", "P@ssw0rd1!", "Welcome2026", "iloveyou<3", "Sunshine!!", "qwertyuiop", "987654321", "aaaaaaaaaa",
        "abababab", "lovely.person", "Lovely.Person@example.com", "lovely.person1990", "monkeymonkey",
    ],
)  # fmt: skip
async def test_a_password_that_is_tried_first_is_refused(client: httpx.AsyncClient, password: str) -> None:
    body = {"email": "lovely.person@example.com", "password": password}
    answer = await client.post("/api/v1/auth/register", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
    assert answer.json()["errors"][0]["field"] == "password"


@pytest.mark.parametrize(
    "password", ["correct horse battery", "tr0ubador&3", "mein-hund-heisst-rex", "密码很长而且不常见啊"]
)
async def test_a_password_of_ones_own_is_taken(client: httpx.AsyncClient, password: str) -> None:
    body = {"email": f"{new_id().hex}@example.com", "password": password}
    assert (await client.post("/api/v1/auth/register", json=body)).status_code == 201


@pytest.mark.usefixtures("many_logins")
async def test_guessing_at_once_is_not_more_than_one_after_the_other(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    answers = await asyncio.gather(*(log_in(client, user.email, f"guess number {number}") for number in range(25)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 15
    locked = await log_in(client, user.email, user.password)
    assert (locked.status_code, locked.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(locked.headers["Retry-After"]) <= 300


@pytest.mark.usefixtures("many_logins")
async def test_an_address_that_tries_one_password_on_many_accounts_is_locked_out(
    client: httpx.AsyncClient, from_anywhere: Callable[[], httpx.AsyncClient], create_user: Create
) -> None:
    user = await create_user()
    statuses = [(await log_in(client, f"{new_id().hex}@example.com", "a guess of mine")).status_code for _ in range(50)]
    assert statuses == [401] * 50
    refused = await log_in(client, user.email, user.password)
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    async with from_anywhere() as elsewhere:
        assert (await log_in(elsewhere, user.email, user.password)).status_code == 200


async def test_a_login_of_ones_own_buys_no_further_guesses(
    client: httpx.AsyncClient, create_user: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "OF_ADDRESS", 4)
    own = await create_user()
    statuses = []
    for _ in range(4):
        statuses.append((await log_in(client, f"{new_id().hex}@example.com", "a guess of mine")).status_code)
        statuses.append((await log_in(client, own.email, own.password)).status_code)
    assert statuses == [401, 200, 401, 200, 401, 200, 401, 429]


async def test_a_lock_ends_with_its_window(app: FastAPI, client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    for _ in range(11):
        await log_in(client, user.email, "a wrong password")
    async with app.state.core.db.connection() as connection:
        await connection.execute(
            "UPDATE login_attempts SET ends_at = %s WHERE attempts = 11", [real_now() - timedelta(seconds=1)]
        )
    assert (await log_in(client, user.email, user.password)).status_code == 200


async def test_the_letter_of_a_new_account_verifies_its_address_once(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).json()["email_verified_at"] is None
    (token,) = await letters_to(app, user.email)
    body = {"token": token}
    answers = await asyncio.gather(*(client.post("/api/v1/auth/verify-email", json=body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 401, 401]
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).json()["email_verified_at"]
    assert (await reset(client, token)).status_code == 401  # a token of another purpose


async def test_a_later_letter_takes_the_place_of_the_one_before_and_there_are_not_many(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    path = "/api/v1/auth/verify-email/request"
    statuses = [(await client.post(path, headers=user.headers)).status_code for _ in range(6)]
    assert statuses == [202] * 5 + [429]
    *earlier, last = await letters_to(app, user.email)
    assert len(earlier) == 5
    assert (await client.post("/api/v1/auth/verify-email", json={"token": earlier[-1]})).status_code == 401
    assert (await client.post("/api/v1/auth/verify-email", json={"token": last})).status_code == 204


async def test_a_reset_sets_the_password_once_logs_out_everywhere_and_ends_the_lock(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    for _ in range(11):
        await log_in(client, user.email, "a wrong password")
    await client.post("/api/v1/auth/password/forgotten", json={"email": user.email.upper()})
    token = (await letters_to(app, user.email))[-1]
    locked = await log_in(client, user.email, user.password)
    assert locked.status_code == 429
    assert "POST /api/v1/auth/password/forgotten) ends an account's lock" in locked.json()["detail"]
    weak = await reset(client, token, "password1")
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    assert [error["field"] for error in weak.json()["errors"]] == ["new_password"]
    answers = await asyncio.gather(*(reset(client, token) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 401, 401]
    told = await subjects_to(app, user.email)
    assert told == ["Is this your address?", "Set a new password", "Your password was set anew"]
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).json()["code"] == "session_ended"
    refreshed = await client.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
    assert refreshed.json()["code"] == "invalid_refresh_token"
    assert (await log_in(client, user.email, user.password)).status_code == 401
    assert (await log_in(client, user.email, "a quite different phrase")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/users/password", {"current_password": "wrong", "new_password": "a quite different phrase"}),
        ("POST", "/users/second-factor", {"kind": "totp", "password": "wrong"}),
        ("POST", "/users/deletion", {"password": "wrong"}),
        ("POST", "/users/export", {"password": "wrong"}),
    ],
)
async def test_where_a_password_alone_is_asked_for_it_is_what_is_wrong(
    client: httpx.AsyncClient, create_user: Create, method: str, path: str, body: dict[str, str]
) -> None:
    user = await create_user()
    answer = await client.request(method, f"/api/v1{path}", json=body, headers=user.headers)
    told = answer.json()
    assert (answer.status_code, told["code"], told["title"]) == (401, "invalid_credentials", "The password is wrong")


async def test_a_late_token_is_refused_and_forgotten(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    await client.post("/api/v1/auth/password/forgotten", json={"email": user.email})
    token = (await letters_to(app, user.email))[-1]
    async with app.state.core.db.connection() as connection:
        await connection.execute(
            "UPDATE account_tokens SET expires_at = %s WHERE user_id = %s", [real_now(), user.user_id]
        )
    assert (await reset(client, token)).json()["code"] == "invalid_token"
    await forget_ended(app.state.core)
    async with app.state.core.db.connection() as connection:
        left = await rows(connection, "SELECT 1 FROM account_tokens WHERE user_id = %(id)s", {"id": user.user_id})
    assert left == []


async def test_nobody_learns_from_a_forgotten_password_who_has_an_account(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, stranger = await create_user(), f"{new_id().hex}@example.com"
    answers = [
        await client.post("/api/v1/auth/password/forgotten", json={"email": email}) for email in (user.email, stranger)
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"null")] * 2
    assert len(await letters_to(app, user.email)) == 2
    assert await letters_to(app, stranger) == []


async def test_a_stolen_table_holds_no_token(app: FastAPI, create_user: Create) -> None:
    user = await create_user()
    (token,) = await letters_to(app, user.email)
    async with app.state.core.db.connection() as connection:
        kept = await rows(connection, "SELECT * FROM account_tokens WHERE user_id = %(id)s", {"id": user.user_id})
    assert len(kept) == 1
    assert token not in str(kept) and token.encode() not in kept[0]["token_hash"]


async def test_another_password_logs_out_elsewhere_only(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    other = (await log_in(client, user.email, user.password)).json()
    change = {"current_password": "not the right one", "new_password": "a quite different phrase"}
    wrong = await client.put("/api/v1/users/password", json=change, headers=user.headers)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    right = change | {"current_password": user.password}
    assert (await client.put("/api/v1/users/password", json=right, headers=user.headers)).status_code == 204
    gone = {"Authorization": f"Bearer {other['access_token']}"}
    assert (await client.get("/api/v1/users/profile", headers=gone)).status_code == 401
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).status_code == 200
    assert (await log_in(client, user.email, "a quite different phrase")).status_code == 200
