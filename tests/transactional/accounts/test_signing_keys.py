"""Access tokens are signed by a key that rotates, and verified by what is published."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from typer.testing import CliRunner

from transactional.accounts.command import app as command
from transactional.platform import signing_keys

Create = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
def key_file(settings_with: Any, tmp_path: Path) -> Iterator[Path]:
    """A ring of the test's own."""
    with settings_with(LAKEFRONT_TOKEN_KEYS_FILE=str(tmp_path / "keys.json")):
        signing_keys.ring.__init__()  # type: ignore[misc]
        yield tmp_path / "keys.json"
    signing_keys.ring.__init__()  # type: ignore[misc]


def look_again() -> None:
    """A second has passed: every worker looks at the file."""
    signing_keys.ring._looked_at = float("-inf")


def let_pass(seconds: float, path: Path) -> None:
    """As if the rotation had been so long ago."""
    keys = json.loads(path.read_text())["keys"]
    for key in keys:
        key["signs_from"] -= seconds
        key["ends_at"] = key["ends_at"] and key["ends_at"] - seconds
    path.write_text(json.dumps({"keys": keys}))
    look_again()


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def published(client: httpx.AsyncClient) -> list[str]:
    answer = await client.get("/.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    return [key["kid"] for key in answer.json()["keys"]]


async def test_others_verify_a_token_by_the_published_keys(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    keys = jwt.PyJWKSet.from_dict((await client.get("/.well-known/jwks.json")).json())
    claims = jwt.decode(
        user.access_token, keys[kid_of(user.access_token)].key, algorithms=["EdDSA"], issuer="lakefront"
    )
    assert claims["sub"] == user.user_id
    assert 0 < claims["exp"] - time.time() <= 15 * 60


async def test_a_new_key_is_published_before_it_signs_and_the_old_one_verifies_on(
    client: httpx.AsyncClient, create_user: Create, key_file: Path
) -> None:
    before = await create_user()
    (old,) = await published(client)
    assert (await asyncio.to_thread(CliRunner().invoke, command, ["rotate-keys"])).exit_code == 0
    look_again()
    assert len(await published(client)) == 2
    assert kid_of((await create_user()).access_token) == old
    let_pass(signing_keys.PUBLISHED_SECONDS + 1, key_file)
    after = await create_user()
    assert kid_of(after.access_token) != old
    for user in (before, after):
        assert (await client.get("/api/v1/users/profile", headers=user.headers)).status_code == 200
    let_pass(15 * 60 + 60, key_file)
    assert await published(client) == [kid_of(after.access_token)]


async def test_a_key_that_leaked_ends_at_once_with_its_tokens(
    client: httpx.AsyncClient, create_user: Create, key_file: Path
) -> None:
    user = await create_user()
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).status_code == 200
    assert (await asyncio.to_thread(CliRunner().invoke, command, ["rotate-keys", "--at-once"])).exit_code == 0
    look_again()
    refused = await client.get("/api/v1/users/profile", headers=user.headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert kid_of(user.access_token) not in await published(client)
    fresh = await client.post("/api/v1/auth/refresh", json={"refresh_token": user.refresh_token})
    headers = {"Authorization": f"Bearer {fresh.json()['access_token']}"}
    assert (await client.get("/api/v1/users/profile", headers=headers)).status_code == 200
    assert key_file.stat().st_mode & 0o777 == 0o600


def test_a_rotation_is_in_the_audit_log(database_url: str, key_file: Path) -> None:
    assert CliRunner().invoke(command, ["rotate-keys", "--at-once"]).exit_code == 0
    (key,) = signing_keys.read_ring(key_file).keys
    with psycopg.connect(database_url) as connection:
        noted = connection.execute("SELECT actor, action, details FROM audit_log WHERE subject = %s", [key.kid])
        assert noted.fetchall() == [("operator", "token_keys_rotated", {"at_once": True})]


def test_keys_rotate_while_the_database_is_away(settings_with: Any, key_file: Path) -> None:
    with settings_with(LAKEFRONT_DATABASE_URL="", LAKEFRONT_TOKEN_KEYS_FILE=str(key_file)):
        done = CliRunner().invoke(command, ["rotate-keys", "--at-once"])
    assert done.exit_code == 0
    assert "the audit log does not say so" in " ".join(done.output.split())
    assert len(signing_keys.read_ring(key_file).keys) == 1


async def test_a_token_cannot_name_another_key_than_signed_it(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    claims = jwt.decode(user.access_token, options={"verify_signature": False})
    stranger = signing_keys.rotate(signing_keys.ring_file().with_name("stranger.json"))
    forged = jwt.encode(claims, stranger.private, algorithm="EdDSA", headers={"kid": kid_of(user.access_token)})
    answer = await client.get("/api/v1/users/profile", headers={"Authorization": f"Bearer {forged}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_rotations_at_once_lose_no_key(key_file: Path) -> None:
    first = signing_keys.read_ring(key_file).keys[0].kid
    made = [signing_keys.rotate(key_file).kid for _ in range(3)]
    assert [key.kid for key in signing_keys.read_ring(key_file).keys] == [first, *made]
