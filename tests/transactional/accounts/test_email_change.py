"""Another e-mail address counts once its owner has confirmed it, can be undone by the one before, and who asks learns
nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pyotp
from database import sql
from fastapi import FastAPI

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.accounts.encryption_rotation import rotate
from transactional.accounts.personal import index_of
from transactional.platform.encryption import cipher, version_of
from transactional.platform.migrate import upgrade

Create = Callable[..., Awaitable[Any]]
NEW_PASSWORD = "a quite different phrase"


def fresh() -> str:
    return f"fresh-{new_id().hex}@example.com"


async def letters(app: FastAPI, email: str, subject: str) -> list[str]:
    """What letters of a subject to an address end with, oldest first: their tokens."""
    statement = "SELECT body FROM sandbox_messages WHERE recipient = %s AND subject = %s ORDER BY sent_at"
    return [body.rsplit("\n", 1)[-1] for (body,) in await sql(app, statement, email, subject)]


async def confirming(app: FastAPI, email: str) -> str:
    return (await letters(app, email, "Is this your new address?"))[-1]


async def undoing(app: FastAPI, email: str, subject: str = "Your account has another address") -> str:
    return (await letters(app, email, subject))[-1]


async def ask(client: httpx.AsyncClient, user: Any, email: str, **proof: Any) -> httpx.Response:
    body = {"email": email, "password": user.password, **proof}
    return await client.post("/api/v1/users/email", json=body, headers=user.headers)


async def confirm(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/v1/auth/email/confirm", json={"token": token})


async def undo(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/v1/auth/email/undo", json={"token": token, "new_password": NEW_PASSWORD})


async def log_in(client: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await client.post("/api/v1/auth/login", json={"email": email, "password": password})


async def profile(client: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
    return await client.get("/api/v1/users/profile", headers=headers)


async def change(app: FastAPI, client: httpx.AsyncClient, user: Any, email: str) -> None:
    assert (await ask(client, user, email)).status_code == 202
    assert (await confirm(client, await confirming(app, email))).status_code == 204


async def actions(app: FastAPI, user: Any) -> list[str]:
    statement = "SELECT action FROM audit_log WHERE subject = %s ORDER BY id"
    return [action for (action,) in await sql(app, statement, user.user_id)]


async def test_the_address_changes_when_its_letter_is_answered_and_not_before(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, new = await create_user(), fresh()
    elsewhere = (await log_in(client, user.email, user.password)).json()
    asked = await ask(client, user, new)
    assert (asked.status_code, asked.content) == (202, b"null")
    assert (await profile(client, user.headers)).json()["email"] == user.email
    assert (await log_in(client, new, user.password)).status_code == 401

    token = await confirming(app, new)
    answers = await asyncio.gather(*(confirm(client, token) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 401, 401]
    shown = (await profile(client, user.headers)).json()  # where it was asked for, one stays logged in
    assert (shown["email"], shown["email_verified_at"] is not None) == (new, True)
    gone = {"Authorization": f"Bearer {elsewhere['access_token']}"}
    assert (await profile(client, gone)).json()["code"] == "session_ended"
    refreshed = await client.post("/api/v1/auth/refresh", json={"refresh_token": elsewhere["refresh_token"]})
    assert refreshed.json()["code"] == "invalid_refresh_token"
    assert (await log_in(client, new, user.password)).json()["user_id"] == user.user_id
    assert (await log_in(client, user.email, user.password)).status_code == 401
    assert await actions(app, user) == ["email_change_asked", "email_changed"]


async def test_a_stolen_token_alone_changes_nothing(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, new = await create_user(), fresh()
    for password in ("a guess of mine", None):
        refused = await ask(client, user, new, password=password)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    guesses = [(await ask(client, user, new, password=f"guess number {n}")).status_code for n in range(9)]
    assert guesses == [401] * 8 + [429]
    assert (await ask(client, user, new)).json()["code"] == "too_many_attempts"
    assert await letters(app, new, "Is this your new address?") == []
    assert await actions(app, user) == []


async def test_an_account_with_a_second_factor_shows_a_code_of_it_too(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, new = await create_user(), fresh()
    base = "/api/v1/users/second-factor"
    enrolled = await client.post(base, json={"kind": "totp", "password": user.password}, headers=user.headers)
    code = pyotp.TOTP(enrolled.json()["secret"]).now()
    confirmed = await client.post(f"{base}/confirm", json={"code": code}, headers=user.headers)
    without = await ask(client, user, new)
    assert (without.status_code, without.json()["code"], without.json()["second_factor"]) == (
        401,
        "code_required",
        "totp",
    )
    assert (await ask(client, user, new, code=code)).json()["code"] == "invalid_code"  # used already
    recovery = confirmed.json()["recovery_codes"][0]
    assert (await ask(client, user, new, code=recovery)).status_code == 202
    assert len(await letters(app, new, "Is this your new address?")) == 1


async def test_an_account_without_a_password_shows_a_login_of_the_last_minutes(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, new = await create_user(), fresh()
    await sql(app, "UPDATE users SET password_hash = NULL WHERE id = %s", user.user_id)
    late = "UPDATE sessions SET started_at = started_at - %s::interval WHERE user_id = %s"
    await sql(app, late, timedelta(minutes=11), user.user_id)
    refused = await ask(client, user, new)
    assert (refused.status_code, refused.json()["code"]) == (401, "fresh_login_required")
    await sql(app, late, timedelta(minutes=-10), user.user_id)
    assert (await ask(client, user, new, password=None)).status_code == 202


async def test_who_asks_does_not_learn_that_an_address_is_taken(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    asking, other, new = await create_user(), await create_user(), fresh()
    seen = []
    for email in (other.email.upper(), new):
        answer = await ask(client, asking, email)
        kept = "SELECT purpose FROM account_tokens WHERE user_id = %s AND email IS NOT NULL ORDER BY purpose"
        present = await letters(app, asking.email, "Another address for your account")
        seen.append((answer.status_code, answer.content, await sql(app, kept, asking.user_id), len(present)))
    pending = [("change_email",), ("undo_email_change",)]
    assert seen == [(202, b"null", pending, 1), (202, b"null", pending, 2)]
    told = await sql(app, "SELECT user_id::text FROM sandbox_messages WHERE subject = 'Your address was asked for'"
                          " AND lower(recipient) = %s", other.email)  # fmt: skip
    assert told == [(other.user_id,)]


async def test_two_accounts_that_confirm_one_address_at_once_do_not_both_get_it(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    users, new = [await create_user() for _ in range(4)], fresh()
    for user in users:
        assert (await ask(client, user, new)).status_code == 202
    tokens = await letters(app, new, "Is this your new address?")
    answers = await asyncio.gather(*(confirm(client, token) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}
    owners = [(await profile(client, user.headers)).json()["email"] for user in users]
    assert sorted(owners) == sorted([new, *(user.email for user, has in zip(users, owners, strict=True) if has != new)])
    assert owners.count(new) == 1


async def test_an_address_that_somebody_registered_meanwhile_is_refused(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, new = await create_user(), fresh()
    assert (await ask(client, user, new)).status_code == 202
    await create_user(email=new)
    late = await confirm(client, await confirming(app, new))
    assert (late.status_code, late.json()["code"]) == (409, "email_taken")
    assert (await profile(client, user.headers)).json()["email"] == user.email


async def test_the_owner_of_the_address_before_has_it_back_and_shuts_the_other_out(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, thiefs, second = await create_user(), fresh(), fresh()
    await change(app, client, user, thiefs)
    await change(app, client, user, second)  # a second change does not end the first one's letter
    token = await undoing(app, user.email)
    weak = await client.post("/api/v1/auth/email/undo", json={"token": token, "new_password": "password1"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    answers = await asyncio.gather(*(undo(client, token) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 401, 401]
    assert (await profile(client, user.headers)).json()["code"] == "session_ended"
    assert (await log_in(client, user.email, user.password)).status_code == 401
    back = (await log_in(client, user.email, NEW_PASSWORD)).json()
    shown = (await profile(client, {"Authorization": f"Bearer {back['access_token']}"})).json()
    assert shown["email"] == user.email
    assert (await undo(client, await undoing(app, thiefs))).status_code == 401  # the thief has nothing to undo
    assert (await actions(app, user))[-1] == "email_change_undone"


async def test_a_change_is_stopped_before_it_is_confirmed(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, new = await create_user(), fresh()
    await ask(client, user, new)
    token = await undoing(app, user.email, "Another address for your account")
    assert (await undo(client, token)).status_code == 204
    assert (await confirm(client, await confirming(app, new))).status_code == 401
    assert (await log_in(client, user.email, NEW_PASSWORD)).json()["user_id"] == user.user_id


async def test_an_address_that_can_be_had_back_is_nobody_elses_until_then(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, other, new = await create_user(), await create_user(), fresh()
    await change(app, client, user, new)
    body = {"email": user.email, "password": "correct horse battery"}
    assert (await client.post("/api/v1/auth/register", json=body)).json()["code"] == "email_taken"
    await ask(client, other, user.email)
    assert await letters(app, user.email, "Is this your new address?") == []
    late = "UPDATE account_tokens SET expires_at = %s WHERE user_id = %s AND purpose = 'undo_email_change'"
    await sql(app, late, real_now(), user.user_id)
    assert (await client.post("/api/v1/auth/register", json=body)).status_code == 201
    assert (await undo(client, await undoing(app, user.email))).status_code == 401


async def test_letters_to_the_address_before_let_nobody_in(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, new = await create_user(), fresh()
    await client.post("/api/v1/auth/password/forgotten", json={"email": user.email})
    (verify,) = await letters(app, user.email, "Is this your address?")
    (reset,) = await letters(app, user.email, "Set a new password")
    await change(app, client, user, new)
    body = {"token": reset, "new_password": NEW_PASSWORD}
    assert (await client.post("/api/v1/auth/password/reset", json=body)).status_code == 401
    assert (await client.post("/api/v1/auth/verify-email", json={"token": verify})).status_code == 401


async def test_letters_are_few_and_the_address_one_has_is_no_other(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, new = await create_user(), fresh()
    same = await ask(client, user, user.email)
    assert (same.status_code, same.json()["code"]) == (409, "email_unchanged")
    assert [(await ask(client, user, new)).status_code for _ in range(6)] == [202] * 5 + [429]
    assert (await ask(client, await create_user(), new)).status_code == 202  # nothing tells that the letter is not sent
    assert len(await letters(app, new, "Is this your new address?")) == 5


async def test_a_stolen_table_holds_neither_token_nor_address_and_a_new_key_renews_it(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, new = await create_user(), fresh()
    await ask(client, user, new)
    kept = "SELECT token_hash, email FROM account_tokens WHERE user_id = %s AND email IS NOT NULL ORDER BY purpose"
    before = await sql(app, kept, user.user_id)
    token = await confirming(app, new)
    for field in (field for found in before for field in found):
        assert not any(text.encode() in bytes(field) for text in (user.email, new, token))
    version, _ = await rotate(app.state.core.db, cipher(), pause=0)
    assert [version_of(email) for _, email in await sql(app, kept, user.user_id)] == [version, version]
    assert (await confirm(client, token)).status_code == 204
    assert (await profile(client, user.headers)).json()["email"] == new


def test_a_migration_finds_whose_the_letters_are(new_database: Callable[..., str]) -> None:
    url = new_database()
    upgrade(url, "0011")
    mine, other = new_id(), new_id()
    with psycopg.connect(url, autocommit=True) as connection:
        for user_id, email in ((mine, "Ada@example.com"), (other, "grace@example.com")):
            connection.execute(
                "INSERT INTO users (id, email_index, created_at) VALUES (%s, %s, now())", [user_id, index_of(email)]
            )
        for user_id, kind, secret in ((mine, "sms", "+442079460123"), (other, "totp", "JBSWY3DPEHPK3PXP")):
            sealed = cipher().encrypt(secret, f"second_factors.secret:{user_id}")
            connection.execute(
                "INSERT INTO second_factors (user_id, kind, secret) VALUES (%s, %s, %s)", [user_id, kind, sealed]
            )
        for recipient in ("ada@example.com", "Ada@example.com", "nobody@example.com", "+442079460123"):
            channel = "sms" if recipient.startswith("+") else "email"
            connection.execute(
                "INSERT INTO sandbox_messages VALUES (%s, %s, %s, '', '', now())", [new_id(), channel, recipient]
            )
        upgrade(url)
        found = connection.execute("SELECT recipient, user_id FROM sandbox_messages ORDER BY recipient").fetchall()
    assert dict(found) == {
        "+442079460123": mine, "Ada@example.com": mine, "ada@example.com": mine, "nobody@example.com": None,
    }  # fmt: skip
