"""Sessions are listed and ended, and a refresh token that comes twice ends its session, access tokens included."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from lakefront.clock import real_now
from transactional.platform import revocations
from transactional.platform.tokens import verify

Create = Callable[..., Awaitable[Any]]


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def log_in(client: httpx.AsyncClient, user: Any, agent: str = "a browser") -> dict[str, Any]:
    body = {"email": user.email, "password": user.password}
    answer = await client.post("/api/v1/auth/login", json=body, headers={"User-Agent": agent})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def listed(client: httpx.AsyncClient, headers: dict[str, str]) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/auth/sessions", headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def test_sessions_are_listed_with_their_browser_and_the_present_one(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    phone = await log_in(client, user, "a telephone")
    seen = await listed(client, bearer(phone))
    assert [(one["user_agent"], one["current"]) for one in seen] == [
        ("a telephone", True),
        ("python-httpx/" + httpx.__version__, False),
    ]
    assert seen[0]["session_id"] == str(verify(phone["access_token"]).session)


async def test_a_refresh_stays_in_its_session(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    before = await listed(client, user.headers)
    fresh = (await refresh(client, user.refresh_token)).json()
    after = await listed(client, bearer(fresh))
    assert [one["session_id"] for one in after] == [one["session_id"] for one in before]
    assert after[0]["last_used_at"] > before[0]["last_used_at"]


async def test_an_ended_session_has_no_good_token_left(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    lost = await log_in(client, user, "a lost telephone")
    (session,) = [one for one in await listed(client, user.headers) if one["user_agent"] == "a lost telephone"]
    gone = await client.delete(f"/api/v1/auth/sessions/{session['session_id']}", headers=user.headers)
    assert gone.status_code == 204
    profile = await client.get("/api/v1/users/profile", headers=bearer(lost))
    assert (profile.status_code, profile.json()["code"]) == (401, "session_ended")
    assert (await refresh(client, lost["refresh_token"])).json()["code"] == "invalid_refresh_token"
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).status_code == 200
    again = await client.delete(f"/api/v1/auth/sessions/{session['session_id']}", headers=user.headers)
    assert (again.status_code, again.json()["code"]) == (404, "session_not_found")


async def test_nobody_ends_another_ones_session(client: httpx.AsyncClient, create_user: Create) -> None:
    user, thief = await create_user(), await create_user()
    (session,) = await listed(client, user.headers)
    answer = await client.delete(f"/api/v1/auth/sessions/{session['session_id']}", headers=thief.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
    assert len(await listed(client, user.headers)) == 1


async def test_log_out_everywhere_else_and_everywhere(client: httpx.AsyncClient, create_user: Create) -> None:
    user = await create_user()
    other = await log_in(client, user)
    here = {"keep_current": "true"}
    assert (await client.delete("/api/v1/auth/sessions", params=here, headers=user.headers)).status_code == 204
    assert (await client.get("/api/v1/users/profile", headers=bearer(other))).status_code == 401
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).status_code == 200
    assert (await client.delete("/api/v1/auth/sessions", headers=user.headers)).status_code == 204
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).json()["code"] == "session_ended"


async def test_a_stolen_refresh_token_ends_the_thiefs_access_token_too(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    thief = (await refresh(client, user.refresh_token)).json()
    assert (await refresh(client, user.refresh_token)).json()["code"] == "refresh_token_reused"
    answer = await client.get("/api/v1/users/profile", headers=bearer(thief))
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")


async def test_another_worker_learns_of_an_ended_session_from_the_database(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    session = verify(user.access_token).session
    async with app.state.core.db.connection() as connection:  # what the other worker did
        await connection.execute("UPDATE sessions SET revoked_at = %s WHERE id = %s", [real_now(), session])
    async with asyncio.timeout(5):
        while (await client.get("/api/v1/users/profile", headers=user.headers)).status_code != 401:
            await asyncio.sleep(0.1)


async def test_a_worker_that_starts_knows_what_was_ended_before(app: FastAPI, create_user: Create) -> None:
    user = await create_user()
    session = verify(user.access_token).session
    assert isinstance(session, UUID)
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE sessions SET revoked_at = %s WHERE id = %s", [real_now(), session])
    await revocations.load(app.state.core.db)
    assert revocations.is_ended(session)


async def test_refreshing_and_ending_at_once_leaves_no_good_token(
    client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    refreshed, ended = await asyncio.gather(
        refresh(client, user.refresh_token), client.delete("/api/v1/auth/sessions", headers=user.headers)
    )
    assert ended.status_code == 204
    if refreshed.status_code == 200:
        tokens = refreshed.json()
        assert (await client.get("/api/v1/users/profile", headers=bearer(tokens))).status_code == 401
        assert (await refresh(client, tokens["refresh_token"])).json()["code"] == "invalid_refresh_token"
    else:
        assert refreshed.json()["code"] == "invalid_refresh_token"
