"""An account's address and name stand encrypted in its row, and are found, unique, and renewed all the same."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from lakefront.ids import new_id
from transactional.accounts.encryption_rotation import rotate
from transactional.accounts.personal import index_of, opened_email
from transactional.platform import signing_keys
from transactional.platform.encryption import Cipher, cipher, version_of
from transactional.platform.key_stores import FileKeys, KeyStoreError
from transactional.platform.migrate import upgrade

Create = Callable[..., Awaitable[Any]]


async def row(app: FastAPI, user_id: str) -> tuple[bytes, bytes, bytes]:
    async with app.state.core.db.connection() as connection:
        found = await connection.execute("SELECT email, name, email_index FROM users WHERE id = %s", [user_id])
        email, name, index = (await found.fetchone()) or (b"", b"", b"")
    return bytes(email), bytes(name), bytes(index)


async def test_the_row_names_nobody_and_the_owner_reads_it(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user(name="Ada Lovelace")
    email, name, index = await row(app, user.user_id)
    for field in (email, name, index):
        assert user.email.encode() not in field
        assert b"Ada" not in field
    shown = (await client.get("/api/v1/users/profile", headers=user.headers)).json()
    assert (shown["email"], shown["name"]) == (user.email, "Ada Lovelace")
    changed = await client.put("/api/v1/users/profile", json={"name": "Countess"}, headers=user.headers)
    assert (changed.json()["email"], changed.json()["name"]) == (user.email, "Countess")
    assert (await row(app, user.user_id))[1] != name


async def test_an_address_is_one_accounts_in_whatever_case(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    for email in (user.email, user.email.upper()):
        body = {"email": email, "password": "correct horse battery"}
        assert (await client.post("/api/v1/auth/register", json=body)).json()["code"] == "email_taken"
        assert (await client.post("/api/v1/auth/login", json=body)).json()["user_id"] == user.user_id


async def test_registrations_of_one_address_at_once_open_one_account(client: httpx.AsyncClient) -> None:
    body = {"email": f"{new_id().hex}@example.com", "password": "correct horse battery"}
    answers = await asyncio.gather(*(client.post("/api/v1/auth/register", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_a_rotation_renews_addresses_and_names(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user(name="Ada")
    index = (await row(app, user.user_id))[2]
    version, _ = await rotate(app.state.core.db, cipher(), pause=0)
    email, name, same = await row(app, user.user_id)
    assert (version_of(email), version_of(name), same) == (version, version, index)
    login = {"email": user.email, "password": user.password}
    assert (await client.post("/api/v1/auth/login", json=login)).json()["user_id"] == user.user_id
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).json()["name"] == "Ada"


def test_a_migration_encrypts_what_was_plain(new_database: Callable[..., str]) -> None:
    url = new_database()
    upgrade(url, "0009")
    users = [(new_id(), f"Someone-{number}@example.com", f"Name {number}") for number in range(1_001)]
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO users (id, email, name, created_at) VALUES (%s, %s, %s, now())", users)
        upgrade(url)
        found = connection.execute("SELECT id, email, name, email_index FROM users ORDER BY id").fetchall()
    assert [
        (user_id, opened_email(user_id, email), cipher().decrypt(name, f"users.name:{user_id}"))
        for user_id, email, name, _ in found
    ] == sorted(users)
    assert [bytes(index) for *_, index in found] == [index_of(email) for _, email, _ in sorted(users)]


def _add_field_keys(path: Path, start: Any) -> None:
    start.wait()
    for _ in range(5):
        FileKeys(path).add()


def _rotate_signing_keys(path: Path, start: Any) -> None:
    start.wait()
    for _ in range(5):
        signing_keys.rotate(path)


def _at_once(work: Callable[[Path, Any], None], path: Path) -> None:
    """In three processes."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    workers = [context.Process(target=work, args=(path, start)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]


def test_processes_that_add_field_keys_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "field-keys.json"
    before = Cipher(FileKeys(path))
    field = before.encrypt("a street", "here:1")
    _at_once(_add_field_keys, path)
    keys = FileKeys(path).keys()
    assert sorted(keys) == list(range(1, 17))
    assert len(set(keys.values())) == 16
    assert Cipher(FileKeys(path)).decrypt(field, "here:1") == "a street"


def test_processes_that_rotate_signing_keys_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "token-keys.json"
    first = signing_keys.read_ring(path).keys[0].kid
    _at_once(_rotate_signing_keys, path)
    kids = [key.kid for key in signing_keys.read_ring(path).keys]
    assert (len(kids), len(set(kids)), kids[0]) == (16, 16, first)


async def test_two_rotations_of_the_fields_at_once_leave_all_readable(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user(name="Ada")
    versions = await asyncio.gather(*(rotate(app.state.core.db, cipher(), pause=0) for _ in range(2)))
    newest = max(version for version, _ in versions)
    email, name, _ = await row(app, user.user_id)
    assert (version_of(email), version_of(name)) == (newest, newest)
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).json()["email"] == user.email


async def test_of_refreshes_of_one_token_at_once_one_wins_and_the_session_ends(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    body = {"refresh_token": user.refresh_token}
    answers = await asyncio.gather(*(client.post("/api/v1/auth/refresh", json=body) for _ in range(4)))
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    codes = {answer.json()["code"] for answer in answers if answer.status_code != 200}
    assert codes <= {"refresh_token_reused", "invalid_refresh_token"}
    assert "refresh_token_reused" in codes
    again = await client.post("/api/v1/auth/refresh", json={"refresh_token": won["refresh_token"]})
    assert again.json()["code"] == "invalid_refresh_token"
    headers = {"Authorization": f"Bearer {won['access_token']}"}
    assert (await client.get("/api/v1/users/profile", headers=headers)).json()["code"] == "session_ended"


@pytest.mark.parametrize("damaged", ["no base64", "YWJj", 7, None])
def test_a_damaged_key_is_told_in_words(tmp_path: Path, damaged: object) -> None:
    """By what the followers of keys expect: anything else would end them without a word."""
    path = tmp_path / "field-keys.json"
    path.write_text(json.dumps({"keys": {"1": damaged}}))
    with pytest.raises(KeyStoreError, match="key 1"):
        FileKeys(path).refresh()
