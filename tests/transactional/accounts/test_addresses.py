"""Addresses are their account's own, encrypted in the table, and readable through a rotation of the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from fastapi import FastAPI

from transactional.accounts.encryption_rotation import rotate
from transactional.platform.encryption import Cipher, cipher, version_of
from transactional.platform.key_stores import FileKeys

Create = Callable[..., Awaitable[Any]]
PATH = "/api/v1/users/addresses"
HOME = {"name": "Ada Lovelace", "street": "12 St James's Square", "city": "London", "zip": "SW1Y 4JH", "country": "GB"}


async def add(client: httpx.AsyncClient, user: Any, **changes: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=HOME | changes, headers=user.headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def listed(client: httpx.AsyncClient, user: Any) -> list[tuple[str, bool]]:
    items = (await client.get(PATH, headers=user.headers)).json()["items"]
    return [(item["city"], item["is_default"]) for item in items]


async def stored(app: FastAPI, address_id: str) -> bytes:
    async with app.state.core.db.connection() as connection:
        found = await connection.execute("SELECT fields FROM addresses WHERE id = %s", [address_id])
        row = await found.fetchone()
    assert row is not None
    return bytes(row[0])


async def test_an_account_has_several_addresses_and_one_default(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    home = await add(client, user)
    assert home == HOME | {"state": "", "phone_number": None, "is_default": True, "address_id": home["address_id"]}
    await add(client, user, city="Leeds")
    await add(client, user, city="York", is_default=True)
    assert await listed(client, user) == [("York", True), ("Leeds", False), ("London", False)]
    changed = await client.put(
        f"{PATH}/{home['address_id']}", json=HOME | {"city": "Bath", "is_default": True}, headers=user.headers
    )
    assert (changed.status_code, changed.json()["city"]) == (200, "Bath")
    assert await listed(client, user) == [("Bath", True), ("York", False), ("Leeds", False)]
    assert (await client.delete(f"{PATH}/{home['address_id']}", headers=user.headers)).status_code == 204
    assert await listed(client, user) == [("York", False), ("Leeds", False)]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"country": "UK"}, "country", "UK is no country's code (ISO 3166-1, such as US)"),
        ({"country": "ZZ"}, "country", "ZZ is no country's code (ISO 3166-1, such as US)"),
        ({"country": "US", "state": "Utopia"}, "", "state: Utopia is no state of US; send its letters"),
    ],
)
async def test_a_place_to_which_no_order_can_go_is_refused_when_entered(
    client: httpx.AsyncClient, create_user: Create, changes: dict[str, str], field: str, words: str
) -> None:
    user = await create_user()
    refused = await client.post(PATH, json=HOME | changes, headers=user.headers)
    assert (refused.status_code, refused.json()["errors"]) == (422, [{"field": field, "message": words}])
    kept = await add(client, user)
    changed = await client.put(f"{PATH}/{kept['address_id']}", json=HOME | changes, headers=user.headers)
    assert (changed.status_code, changed.json()["errors"]) == (422, [{"field": field, "message": words}])
    profile = await client.put("/api/v1/users/profile", json={"country": "UK"}, headers=user.headers)
    assert (profile.status_code, profile.json()["detail"].partition(": ")[0]) == (422, "country")


async def test_an_address_from_before_countries_were_looked_up_is_still_listed(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    kept = await add(client, user)
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE addresses SET country = 'UK' WHERE id = %s", [kept["address_id"]])
    items = (await client.get(PATH, headers=user.headers)).json()["items"]
    assert [item["country"] for item in items] == ["UK"]


async def test_of_addresses_added_at_once_one_is_the_default(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    await asyncio.gather(*(add(client, user, is_default=number % 2 == 0) for number in range(6)))
    assert [is_default for _, is_default in await listed(client, user)] == [True] + [False] * 5


async def test_there_is_an_end_to_them(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    for _ in range(20):
        await add(client, user)
    answer = await client.post(PATH, json=HOME, headers=user.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_addresses")


async def test_nobody_sees_changes_or_removes_anothers(client: httpx.AsyncClient, create_user: Create) -> None:
    user, thief = await create_user(), await create_user()
    path = f"{PATH}/{(await add(client, user))['address_id']}"
    assert (await client.get(PATH, headers=thief.headers)).json() == {"items": []}
    for answer in (
        await client.put(path, json=HOME, headers=thief.headers),
        await client.delete(path, headers=thief.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "address_not_found")
    assert await listed(client, user) == [("London", True)]


async def test_the_table_names_nobody_and_a_field_cannot_be_moved(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    first, second = [(await add(client, user, city=city))["address_id"] for city in ("London", "Leeds")]
    field = await stored(app, first)
    for personal in (b"Ada", b"London", b"SW1Y"):
        assert personal not in field
    with pytest.raises(InvalidTag):
        cipher().decrypt(field, f"addresses.fields:{second}")
    altered = field[:-1] + bytes([field[-1] ^ 1])
    with pytest.raises(InvalidTag):
        cipher().decrypt(altered, f"addresses.fields:{first}")


async def test_a_rotation_writes_every_field_anew_and_loses_none(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    address_id = (await add(client, user))["address_id"]
    before = version_of(await stored(app, address_id))
    version, renewed = await rotate(app.state.core.db, cipher(), pause=0)
    assert version > before
    assert renewed >= 1
    assert version_of(await stored(app, address_id)) == version
    assert await listed(client, user) == [("London", True)]
    assert version_of(await stored(app, (await add(client, user, city="Leeds"))["address_id"])) == version


def test_a_worker_reads_what_another_wrote_under_a_key_it_does_not_know_yet(tmp_path: Path) -> None:
    mine, other = Cipher(FileKeys(tmp_path / "keys.json")), Cipher(FileKeys(tmp_path / "keys.json"))
    old = mine.encrypt("a street", "here:1")
    other.store.add()
    fresh = other.encrypt("another street", "here:2")
    assert (version_of(old), version_of(fresh)) == (1, 2)
    assert mine.decrypt(fresh, "here:2") == "another street"
    assert other.decrypt(old, "here:1") == "a street"
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
