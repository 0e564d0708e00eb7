"""A stolen password is not enough where there is a second factor, and no code lets in twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pyotp
import pytest
from cryptography.exceptions import InvalidTag
from fastapi import FastAPI

from lakefront.clock import real_now
from transactional.platform.encryption import cipher
from transactional.platform.query import first

Create = Callable[..., Awaitable[Any]]
BASE = "/api/v1/users/second-factor"
NUMBER = "+442079460123"


def next_code(totp: pyotp.TOTP) -> str:
    """Of the step to come, which is good already: clocks may be off by one."""
    return totp.at(int(time.time()) + 30)


async def enrol(client: httpx.AsyncClient, user: Any) -> tuple[pyotp.TOTP, list[str]]:
    """An authenticator whose present code was used for confirming, and the recovery codes."""
    answer = await client.post(BASE, json={"kind": "totp", "password": user.password}, headers=user.headers)
    assert answer.status_code == 201, answer.text
    totp = pyotp.TOTP(answer.json()["secret"])
    confirmed = await client.post(f"{BASE}/confirm", json={"code": totp.now()}, headers=user.headers)
    assert confirmed.status_code == 200, confirmed.text
    return totp, confirmed.json()["recovery_codes"]


async def first_step(client: httpx.AsyncClient, user: Any) -> str:
    answer = await client.post("/api/v1/auth/login", json={"email": user.email, "password": user.password})
    assert (answer.status_code, answer.json()["code"]) == (401, "second_factor_required")
    return str(answer.json()["challenge"])


async def second_step(client: httpx.AsyncClient, challenge: str, code: str) -> httpx.Response:
    return await client.post("/api/v1/auth/login/second-factor", json={"challenge": challenge, "code": code})


async def sent_codes(app: FastAPI, number: str) -> list[str]:
    async with app.state.core.db.connection() as connection:
        found = await connection.execute(
            "SELECT body FROM sandbox_messages WHERE recipient = %s ORDER BY sent_at", [number]
        )
        return [row[0].rpartition(" ")[2] for row in await found.fetchall()]


async def test_who_has_the_account_is_told_that_its_second_factor_came_and_went(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    totp, _ = await enrol(client, user)
    removal = {"password": user.password, "code": next_code(totp)}
    assert (await client.post(f"{BASE}/remove", json=removal, headers=user.headers)).status_code == 204
    async with app.state.core.db.connection() as connection:
        found = await connection.execute(
            "SELECT subject FROM sandbox_messages WHERE recipient = %s ORDER BY sent_at", [user.email]
        )
        told = [row[0] for row in await found.fetchall()]
    assert told[1:] == ["Your account has a second factor", "Your account has no second factor any more"]


async def test_a_login_needs_the_authenticators_code_too(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    totp, _ = await enrol(client, user)
    challenge = await first_step(client, user)
    assert (await second_step(client, challenge, "000000")).json()["code"] == "invalid_code"
    answer = await second_step(client, challenge, next_code(totp))
    assert (answer.status_code, answer.json()["user_id"]) == (200, user.user_id)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await client.get(BASE, headers=headers)).json() == {
        "kind": "totp", "confirmed": True, "recovery_codes_left": 10,
    }  # fmt: skip


async def test_a_code_that_was_seen_cannot_be_replayed(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    totp, _ = await enrol(client, user)
    code = next_code(totp)
    challenges = [await first_step(client, user) for _ in range(3)]
    answers = await asyncio.gather(*(second_step(client, challenge, code) for challenge in challenges))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    later = await second_step(client, await first_step(client, user), code)
    assert (later.status_code, later.json()["code"]) == (401, "invalid_code")
    earlier = await second_step(client, await first_step(client, user), totp.now())
    assert earlier.status_code == 401


async def test_guessing_codes_is_locked_out_over_all_challenges(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    totp, _ = await enrol(client, user)
    statuses = [(await second_step(client, await first_step(client, user), "000000")).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    right = await second_step(client, await first_step(client, user), next_code(totp))
    assert (right.status_code, int(right.headers["Retry-After"]) > 0) == (429, True)


async def test_a_recovery_code_lets_in_once(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    _, codes = await enrol(client, user)
    assert len(set(codes)) == 10
    challenges = [await first_step(client, user) for _ in range(3)]
    answers = await asyncio.gather(*(second_step(client, challenge, codes[3].upper()) for challenge in challenges))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    assert (await client.get(BASE, headers=user.headers)).json()["recovery_codes_left"] == 9


async def test_a_challenge_lets_in_once_and_not_for_long(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    totp, codes = await enrol(client, user)
    used, late = await first_step(client, user), await first_step(client, user)
    assert (await second_step(client, used, next_code(totp))).status_code == 200
    assert (await second_step(client, used, codes[0])).json()["code"] == "invalid_challenge"
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE login_challenges SET expires_at = %s WHERE user_id = %s",
                                 [real_now() - timedelta(seconds=1), user.user_id])  # fmt: skip
    assert (await second_step(client, late, codes[0])).json()["code"] == "invalid_challenge"
    assert (await client.get(BASE, headers=user.headers)).json()["recovery_codes_left"] == 10


async def test_one_persons_code_is_nothing_to_anothers_account(client: httpx.AsyncClient, create_user: Create) -> None:
    user, thief = await create_user(), await create_user()
    await enrol(client, user)
    totp, codes = await enrol(client, thief)
    for code in (next_code(totp), codes[0]):
        answer = await second_step(client, await first_step(client, user), code)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_code")


async def test_a_text_message_carries_a_code_that_is_good_once(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    number = f"+4420{int(user.user_id.replace('-', ''), 16) % 10**8:08}"
    body = {"kind": "sms", "password": user.password, "phone_number": number}
    assert (await client.post(BASE, json=body, headers=user.headers)).status_code == 201
    (code,) = await sent_codes(app, number)
    assert (await client.post(f"{BASE}/confirm", json={"code": code}, headers=user.headers)).status_code == 200
    challenge = await first_step(client, user)
    assert (await second_step(client, challenge, code)).status_code == 401
    fresh = (await sent_codes(app, number))[-1]
    answers = await asyncio.gather(*(second_step(client, challenge, fresh) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]


async def test_a_factor_counts_only_when_it_was_confirmed(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    body = {"kind": "totp", "password": user.password}
    assert (await client.post(BASE, json=body, headers=user.headers)).status_code == 201
    login = {"email": user.email, "password": user.password}
    assert (await client.post("/api/v1/auth/login", json=login)).status_code == 200


async def test_a_stolen_token_neither_sets_nor_removes_a_factor(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    body = {"kind": "totp", "password": "not the password"}
    assert (await client.post(BASE, json=body, headers=user.headers)).json()["code"] == "invalid_credentials"
    totp, codes = await enrol(client, user)
    again = await client.post(BASE, json=body | {"password": user.password}, headers=user.headers)
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_exists")
    for removal in ({"password": "not it", "code": codes[0]}, {"password": user.password, "code": "000000"}):
        assert (await client.post(f"{BASE}/remove", json=removal, headers=user.headers)).status_code == 401
    right = {"password": user.password, "code": next_code(totp)}
    assert (await client.post(f"{BASE}/remove", json=right, headers=user.headers)).status_code == 204
    login = {"email": user.email, "password": user.password}
    assert (await client.post("/api/v1/auth/login", json=login)).status_code == 200


@pytest.mark.parametrize("change", [{"phone_number": NUMBER}, {"kind": "sms"}, {"kind": "sms", "phone_number": "0123"}])
async def test_what_does_not_fit_is_refused(
    client: httpx.AsyncClient, create_user: Create, change: dict[str, str]
) -> None:
    user = await create_user()
    body = {"kind": "totp", "password": user.password} | change
    assert (await client.post(BASE, json=body, headers=user.headers)).status_code == 422


async def test_a_secret_is_encrypted_and_cannot_be_moved_to_another_account(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    totp, _ = await enrol(client, user)
    async with app.state.core.db.connection() as connection:
        row = await first(connection, "SELECT * FROM second_factors WHERE user_id = %(id)s", {"id": user.user_id})
    assert row is not None
    assert totp.secret.encode() not in row["secret"]
    assert cipher().decrypt(row["secret"], f"second_factors.secret:{user.user_id}") == totp.secret
    with pytest.raises(InvalidTag):
        cipher().decrypt(row["secret"], "second_factors.secret:another")
