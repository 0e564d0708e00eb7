"""Clients get tokens by authorization code with PKCE, or by password; a stolen code, address or token is worth nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
from fastapi import FastAPI

from lakefront.clock import real_now
from transactional.accounts.oauth import challenge_of

Create = Callable[..., Awaitable[Any]]
Register = Callable[..., Awaitable[dict[str, Any]]]
ADDRESS = "https://app.example.com/signed-in"
# The pair of RFC 7636, appendix B.
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.fixture
def register(client: httpx.AsyncClient, internal: dict[str, str]) -> Register:
    """``await register(confidential=True)``: a client."""

    async def make(**fields: Any) -> dict[str, Any]:
        body = {"name": "An app", "redirect_uris": [ADDRESS], **fields}
        answer = await client.post("/api/v1/oauth/clients", json=body, headers=internal)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return make


async def authorize(client: httpx.AsyncClient, user: Any, app: dict[str, Any], **changes: Any) -> httpx.Response:
    body = {
        "client_id": app["client_id"], "redirect_uri": ADDRESS, "code_challenge": CHALLENGE,
        "code_challenge_method": "S256", "state": "a state & more", **changes,
    }  # fmt: skip
    return await client.post("/api/v1/oauth/authorize", json=body, headers=user.headers)


async def code_for(client: httpx.AsyncClient, user: Any, app: dict[str, Any]) -> str:
    answer = await authorize(client, user, app)
    assert answer.status_code == 200, answer.text
    return parse_qs(urlsplit(answer.json()["redirect_to"]).query)["code"][0]


async def exchange(client: httpx.AsyncClient, app: dict[str, Any], code: str, **changes: Any) -> httpx.Response:
    form = {
        "grant_type": "authorization_code", "client_id": app["client_id"], "code": code, "redirect_uri": ADDRESS,
        "code_verifier": VERIFIER, **changes,
    }  # fmt: skip
    return await client.post("/api/v1/oauth/token", data=form)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_the_challenge_is_as_the_standard_has_it() -> None:
    assert challenge_of(VERIFIER) == CHALLENGE


async def test_a_code_becomes_tokens_of_a_session(
    client: httpx.AsyncClient, create_user: Create, register: Register
) -> None:
    user, app = await create_user(), await register()
    sent_to = urlsplit((await authorize(client, user, app)).json()["redirect_to"])
    assert f"{sent_to.scheme}://{sent_to.netloc}{sent_to.path}" == ADDRESS
    answer = parse_qs(sent_to.query)
    assert answer["state"] == ["a state & more"]
    tokens = await exchange(client, app, answer["code"][0])
    assert (tokens.status_code, tokens.headers["Cache-Control"]) == (200, "no-store")
    assert tokens.json()["token_type"] == "Bearer"
    headers = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    assert (await client.get("/api/v1/users/profile", headers=headers)).json()["user_id"] == user.user_id
    assert len((await client.get("/api/v1/auth/sessions", headers=user.headers)).json()["items"]) == 2


async def test_a_replayed_code_ends_the_session_that_came_from_it(
    client: httpx.AsyncClient, create_user: Create, register: Register
) -> None:
    user, app = await create_user(), await register()
    code = await code_for(client, user, app)
    tokens = (await exchange(client, app, code)).json()
    assert refusal(await exchange(client, app, code)) == (400, "invalid_grant")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await client.get("/api/v1/users/profile", headers=headers)).json()["code"] == "session_ended"
    again = {"grant_type": "refresh_token", "client_id": app["client_id"], "refresh_token": tokens["refresh_token"]}
    assert refusal(await client.post("/api/v1/oauth/token", data=again)) == (400, "invalid_grant")
    assert (await client.get("/api/v1/users/profile", headers=user.headers)).status_code == 200


async def test_of_many_who_show_a_code_at_once_none_keeps_a_session(
    client: httpx.AsyncClient, create_user: Create, register: Register
) -> None:
    user, app = await create_user(), await register()
    code = await code_for(client, user, app)
    answers = await asyncio.gather(*(exchange(client, app, code) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert len((await client.get("/api/v1/auth/sessions", headers=user.headers)).json()["items"]) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": "a" * 43},
        {"code_verifier": CHALLENGE},
        {"redirect_uri": ADDRESS + "/"},
        {"code": "a" * 43},
    ],
)
async def test_a_stolen_code_is_worth_nothing_without_all_that_belongs_to_it(
    client: httpx.AsyncClient, create_user: Create, register: Register, change: dict[str, str]
) -> None:
    user, app = await create_user(), await register()
    code = await code_for(client, user, app)
    assert refusal(await exchange(client, app, **({"code": code} | change))) == (400, "invalid_grant")
    assert (await exchange(client, app, code)).status_code == 200


async def test_a_code_is_its_clients_only_and_not_for_long(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create, register: Register
) -> None:
    user, mine, other = await create_user(), await register(), await register()
    code = await code_for(client, user, mine)
    assert refusal(await exchange(client, other, code)) == (400, "invalid_grant")
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE oauth_codes SET expires_at = %s WHERE client_id = %s",
                                 [real_now() - timedelta(seconds=1), mine["client_id"]])  # fmt: skip
    assert refusal(await exchange(client, mine, code)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "address",
    [ADDRESS + "/", ADDRESS + "?x=1", "https://app.example.com.evil.example/signed-in", "https://app.example.com",
     ADDRESS.upper()],
)  # fmt: skip
async def test_a_browser_is_sent_to_a_registered_address_only(
    client: httpx.AsyncClient, create_user: Create, register: Register, address: str
) -> None:
    user, app = await create_user(), await register()
    assert refusal(await authorize(client, user, app, redirect_uri=address)) == (400, "invalid_request")


@pytest.mark.parametrize(
    "change", [{"code_challenge_method": "plain"}, {"code_challenge": "short"}, {"code_challenge": None}]
)
async def test_there_is_no_code_without_s256(
    client: httpx.AsyncClient, create_user: Create, register: Register, change: dict[str, Any]
) -> None:
    user, app = await create_user(), await register()
    assert (await authorize(client, user, app, **change)).status_code == 422


@pytest.mark.parametrize("address", ["http://app.example.com/x", "javascript:alert(1)", f"{ADDRESS}#top", "/signed-in"])
async def test_an_unsafe_address_is_not_registered(
    client: httpx.AsyncClient, internal: dict[str, str], address: str
) -> None:
    body = {"name": "An app", "redirect_uris": [address]}
    assert (await client.post("/api/v1/oauth/clients", json=body, headers=internal)).status_code == 422


async def test_a_confidential_client_shows_its_secret(
    client: httpx.AsyncClient, create_user: Create, register: Register
) -> None:
    user, app = await create_user(), await register(confidential=True)
    code = await code_for(client, user, app)
    assert refusal(await exchange(client, app, code)) == (401, "invalid_client")
    assert refusal(await exchange(client, app, code, client_secret="a guess")) == (401, "invalid_client")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": ADDRESS, "code_verifier": VERIFIER}
    basic = httpx.BasicAuth(app["client_id"], app["client_secret"])
    assert (await client.post("/api/v1/oauth/token", data=form, auth=basic)).status_code == 200


async def test_a_refresh_token_is_good_for_its_client_only_and_once(
    client: httpx.AsyncClient, create_user: Create, register: Register
) -> None:
    user, mine, other = await create_user(), await register(), await register()
    tokens = (await exchange(client, mine, await code_for(client, user, mine))).json()

    async def refresh(client_id: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": tokens["refresh_token"]}
        return await client.post("/api/v1/oauth/token", data=form)

    assert refusal(await refresh(other["client_id"])) == (400, "invalid_grant")
    direct = await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert direct.json()["code"] == "invalid_refresh_token"
    fresh = await refresh(mine["client_id"])
    assert fresh.status_code == 200
    assert refusal(await refresh(mine["client_id"])) == (400, "invalid_grant")
    headers = {"Authorization": f"Bearer {fresh.json()['access_token']}"}
    assert (await client.get("/api/v1/users/profile", headers=headers)).json()["code"] == "session_ended"


async def test_the_password_grant_is_for_clients_that_were_given_it_and_counts_guesses(
    client: httpx.AsyncClient, create_user: Create, register: Register
) -> None:
    user, ours, other = await create_user(), await register(grants=["password"]), await register()

    async def by_password(app: dict[str, Any], password: str) -> httpx.Response:
        form = {"grant_type": "password", "client_id": app["client_id"], "username": user.email, "password": password}
        return await client.post("/api/v1/oauth/token", data=form)

    assert refusal(await by_password(other, user.password)) == (400, "unauthorized_client")
    answer = await by_password(ours, user.password)
    assert (answer.status_code, answer.json()["user_id"]) == (200, user.user_id)
    guesses = [await by_password(ours, "a wrong password") for _ in range(11)]
    assert [guess.status_code for guess in guesses] == [400] * 10 + [429]
    assert refusal(guesses[0]) == (400, "invalid_grant")


async def test_the_password_grant_does_not_pass_by_the_second_factor(
    client: httpx.AsyncClient, create_user: Create, register: Register
) -> None:
    user, app = await create_user(), await register(grants=["password"])
    base = "/api/v1/users/second-factor"
    begun = await client.post(base, json={"kind": "totp", "password": user.password}, headers=user.headers)
    code = pyotp.TOTP(begun.json()["secret"]).now()
    assert (await client.post(f"{base}/confirm", json={"code": code}, headers=user.headers)).status_code == 200
    form = {"grant_type": "password", "client_id": app["client_id"], "username": user.email, "password": user.password}
    assert refusal(await client.post("/api/v1/oauth/token", data=form)) == (400, "invalid_grant")


async def test_unknown_grants_clients_and_missing_fields_are_named(
    client: httpx.AsyncClient, register: Register
) -> None:
    app = await register()
    token = "/api/v1/oauth/token"
    base = {"client_id": app["client_id"]}
    assert refusal(await client.post(token, data=base | {"grant_type": "x"})) == (400, "unsupported_grant_type")
    missing = await client.post(token, data=base | {"grant_type": "authorization_code"})
    assert refusal(missing) == (400, "invalid_request")
    unknown = await client.post(token, data={"grant_type": "authorization_code", "client_id": "nobody"})
    assert refusal(unknown) == (401, "invalid_client")
