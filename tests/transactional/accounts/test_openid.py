"""Signing in through an external OpenID provider, one that really runs, and what those try who are not who they say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import jwt
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from openid_server import OpenIDServer, openid_server

from lakefront.ids import new_id
from transactional.accounts import openid, openid_provider

Create = Callable[..., Awaitable[Any]]
AUTH, USERS = "/api/v1/auth/openid", "/api/v1/users/openid"
CLIENT = "lakefront-test"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenIDServer]:
    with openid_server() as server:
        yield server


@pytest.fixture(autouse=True)
def provider(running: OpenIDServer, settings_with: Any) -> Iterator[OpenIDServer]:
    """The provider, in the settings of the application that the test gets."""
    with settings_with(
        LAKEFRONT_OPENID_ISSUER=running.issuer,
        LAKEFRONT_OPENID_CLIENT_ID=CLIENT,
        LAKEFRONT_OPENID_CLIENT_SECRET="a secret",
        LAKEFRONT_OPENID_REDIRECT_URI="http://localhost/signed-in",
        LAKEFRONT_OPENID_BUTTON_LABEL="Sign in with Example",
    ):
        yield running
    running.forge, running.broken = None, False


def person(provider: OpenIDServer, **claims: Any) -> tuple[str, str]:
    """The subject and the address of somebody whom the provider knows."""
    subject = f"subject-{new_id().hex}"
    email = f"{subject}@example.com"
    provider.person(subject, **{"email": email, "email_verified": True, "name": "Ada", **claims})
    return subject, email


async def begin(client: httpx.AsyncClient) -> str:
    answer = await client.post(f"{AUTH}/start")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["authorization_url"])


async def sign_in(client: httpx.AsyncClient, provider: OpenIDServer, subject: str, **headers: str) -> httpx.Response:
    sent_back = await asyncio.to_thread(provider.consent, await begin(client), subject)
    return await client.post(f"{AUTH}/finish", json=sent_back, headers=headers)


async def link(client: httpx.AsyncClient, provider: OpenIDServer, user: Any, subject: str) -> httpx.Response:
    begun = await client.post(f"{USERS}/link/start", json={"password": user.password}, headers=user.headers)
    assert begun.status_code == 200, begun.text
    sent_back = await asyncio.to_thread(provider.consent, begun.json()["authorization_url"], subject)
    return await client.post(f"{USERS}/link/finish", json=sent_back, headers=user.headers)


async def profile(client: httpx.AsyncClient, tokens: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return dict((await client.get("/api/v1/users/profile", headers=headers)).json())


async def verify(app: FastAPI, user: Any) -> None:
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE users SET email_verified_at = now() WHERE id = %s", [user.user_id])


async def letters(app: FastAPI, email: str) -> list[str]:
    async with app.state.core.db.connection() as connection:
        found = await connection.execute(
            "SELECT subject FROM sandbox_messages WHERE recipient = %s ORDER BY sent_at", [email]
        )
        return [row[0] for row in await found.fetchall()]


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_button_is_offered_with_its_label(client: httpx.AsyncClient) -> None:
    assert (await client.get(AUTH)).json() == {"enabled": True, "label": "Sign in with Example"}


async def test_a_new_person_gets_an_account_and_later_the_same_again(
    client: httpx.AsyncClient, provider: OpenIDServer
) -> None:
    subject, email = person(provider)
    first = await sign_in(client, provider, subject)
    assert first.status_code == 200, first.text
    shown = await profile(client, first.json())
    assert (shown["email"], shown["name"], shown["role"]) == (email, "Ada", "shopper")
    assert shown["email_verified_at"] is not None
    provider.person(subject, email=f"new-{email}", email_verified=False)  # who it is stands in the subject
    again = await sign_in(client, provider, subject)
    assert again.json()["user_id"] == first.json()["user_id"]
    assert (await profile(client, again.json()))["email"] == email


async def test_two_tabs_that_sign_a_new_person_in_at_once_open_one_account(
    client: httpx.AsyncClient, provider: OpenIDServer, from_anywhere: Callable[[], httpx.AsyncClient]
) -> None:
    subject, _ = person(provider)
    tabs = [from_anywhere() for _ in range(4)]
    answers = await asyncio.gather(*(sign_in(tab, provider, subject) for tab in tabs))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["user_id"] for answer in answers}) == 1


async def test_the_guests_cart_joins_the_account(
    client: httpx.AsyncClient, provider: OpenIDServer, create_product: Create, guest: dict[str, str]
) -> None:
    product = await create_product(stock={"main": 5})
    await client.post("/api/v1/cart/items", json={"product_id": product["product_id"]}, headers=guest)
    tokens = (await sign_in(client, provider, person(provider)[0], **guest)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert [line["sku"] for line in (await client.get("/api/v1/cart", headers=headers)).json()["items"]] == [
        product["sku"]
    ]


async def test_an_answer_is_good_once_and_in_the_browser_that_began(
    client: httpx.AsyncClient, provider: OpenIDServer, from_anywhere: Callable[[], httpx.AsyncClient]
) -> None:
    subject, _ = person(provider)
    sent_back = provider.consent(await begin(client), subject)
    thief = from_anywhere()
    assert refused(await thief.post(f"{AUTH}/finish", json=sent_back)) == (401, "invalid_openid_answer")
    await begin(thief)  # a cookie of another browser is none either
    assert refused(await thief.post(f"{AUTH}/finish", json=sent_back)) == (401, "invalid_openid_answer")
    cookie = dict(client.cookies)
    assert (await client.post(f"{AUTH}/finish", json=sent_back)).status_code == 200
    assert dict(client.cookies) == {}
    client.cookies.update(cookie)
    assert refused(await client.post(f"{AUTH}/finish", json=sent_back)) == (401, "invalid_openid_answer")


async def test_the_cookie_is_no_scripts_and_stays_with_our_pages(client: httpx.AsyncClient) -> None:
    cookie = (await client.post(f"{AUTH}/start")).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age=600" in cookie


async def test_a_stolen_code_is_worth_nothing_in_another_sign_in(
    client: httpx.AsyncClient, provider: OpenIDServer, from_anywhere: Callable[[], httpx.AsyncClient]
) -> None:
    victim, _ = person(provider)
    stolen = provider.consent(await begin(client), victim)["code"]
    thief = from_anywhere()
    own = provider.consent(await begin(thief), person(provider)[0])
    answer = await thief.post(f"{AUTH}/finish", json=own | {"code": stolen})  # PKCE: the provider asks for the verifier
    assert refused(answer) == (401, "invalid_openid_answer")


async def test_the_answer_of_another_provider_is_refused(client: httpx.AsyncClient, provider: OpenIDServer) -> None:
    sent_back = provider.consent(await begin(client), person(provider)[0])
    answer = await client.post(f"{AUTH}/finish", json=sent_back | {"iss": "https://evil.example"})
    assert refused(answer) == (401, "invalid_openid_answer")
    assert (await client.post(f"{AUTH}/finish", json=sent_back | {"iss": provider.issuer})).status_code == 200


def _signed(claims: dict[str, Any], jwk: Any, **changes: Any) -> str:
    key = jwk.as_dict(is_private=True)
    return jwt.encode(claims | changes, jwt.PyJWK(key, "RS256").key, algorithm="RS256", headers={"kid": key["kid"]})


def _by_a_stranger(claims: dict[str, Any], jwk: Any) -> str:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": jwk.as_dict()["kid"]})


def _without(name: str) -> Callable[[dict[str, Any], Any], str]:
    return lambda claims, jwk: _signed({key: value for key, value in claims.items() if key != name}, jwk)


FORGERIES: dict[str, Callable[[dict[str, Any], Any], str]] = {
    "signed by a stranger under the provider's key id": _by_a_stranger,
    "not signed": lambda claims, jwk: jwt.encode(claims, None, algorithm="none"),
    "signed with the client's secret": lambda claims, jwk: jwt.encode(claims, "a secret", algorithm="HS256"),
    "of another issuer": lambda claims, jwk: _signed(claims, jwk, iss="https://evil.example"),
    "for another client": lambda claims, jwk: _signed(claims, jwk, aud="another"),
    "for several, made for another": lambda claims, jwk: _signed(claims, jwk, aud=[CLIENT, "another"], azp="another"),
    "for several, made for nobody": lambda claims, jwk: _signed(claims, jwk, aud=[CLIENT, "another"]),
    "ended": lambda claims, jwk: _signed(claims, jwk, exp=int(time.time()) - 120),
    "without an end": _without("exp"),
    "of another sign-in": lambda claims, jwk: _signed(claims, jwk, nonce="0" * 32),
    "without a nonce": _without("nonce"),
    "of nobody": _without("sub"),
    "no token": lambda claims, jwk: "a.b.c",
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_an_id_token_that_does_not_hold_lets_nobody_in(
    client: httpx.AsyncClient, provider: OpenIDServer, forgery: str
) -> None:
    subject, _ = person(provider)
    provider.forge = _signed
    assert (await sign_in(client, provider, subject)).status_code == 200  # so that it is the forgery that is refused
    provider.forge = FORGERIES[forgery]
    assert refused(await sign_in(client, provider, subject)) == (401, "invalid_openid_answer")


@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email_verified": "true"}, {"email": "no address"}])
async def test_an_address_that_the_provider_has_not_verified_opens_nothing(
    app: FastAPI, client: httpx.AsyncClient, provider: OpenIDServer, create_user: Create, claims: dict[str, Any]
) -> None:
    user = await create_user()
    await verify(app, user)
    subject, _ = person(provider, **({"email": user.email} | claims))
    assert refused(await sign_in(client, provider, subject)) == (403, "openid_email_not_verified")
    assert (await client.get(USERS, headers=user.headers)).json() == {"items": []}


async def test_an_account_whose_address_nobody_verified_is_not_taken_over(
    client: httpx.AsyncClient, provider: OpenIDServer, create_user: Create
) -> None:
    squatter = await create_user()  # has opened an account with the address of somebody else
    subject, _ = person(provider, email=squatter.email)
    assert refused(await sign_in(client, provider, subject)) == (409, "account_not_verified")
    assert (await client.get(USERS, headers=squatter.headers)).json() == {"items": []}


async def test_a_verified_address_on_both_sides_links_and_the_owner_is_told(
    app: FastAPI, client: httpx.AsyncClient, provider: OpenIDServer, create_user: Create, internal: dict[str, str]
) -> None:
    user = await create_user()
    await verify(app, user)
    subject, _ = person(provider, email=user.email.upper())
    tokens = (await sign_in(client, provider, subject)).json()
    assert tokens["user_id"] == user.user_id
    (linked,) = (await client.get(USERS, headers=user.headers)).json()["items"]
    assert linked["issuer"] == provider.issuer
    assert (await letters(app, user.email))[-1] == "Another way into your account"
    log = (await client.get("/api/v1/audit", params={"subject": user.user_id}, headers=internal)).json()["items"]
    assert [(entry["action"], entry["details"]) for entry in log] == [("openid_linked", {"issuer": provider.issuer})]
    other, _ = person(provider, email=user.email)
    assert refused(await sign_in(client, provider, other)) == (409, "identity_taken")


async def test_the_second_factor_is_asked_and_only_then_is_the_identity_linked(
    app: FastAPI, client: httpx.AsyncClient, provider: OpenIDServer, create_user: Create
) -> None:
    user = await create_user()
    await verify(app, user)
    factor = await client.post(
        "/api/v1/users/second-factor", json={"kind": "totp", "password": user.password}, headers=user.headers
    )
    totp = pyotp.TOTP(factor.json()["secret"])
    confirmed = await client.post(
        "/api/v1/users/second-factor/confirm", json={"code": totp.now()}, headers=user.headers
    )
    codes = confirmed.json()["recovery_codes"]
    subject, _ = person(provider, email=user.email)
    for code in codes[:2]:  # the first time it is linked, the second time it is known
        asked = await sign_in(client, provider, subject)
        assert refused(asked) == (401, "second_factor_required")
        linked_before = (await client.get(USERS, headers=user.headers)).json()["items"]
        answer = await client.post(
            "/api/v1/auth/login/second-factor", json={"challenge": asked.json()["challenge"], "code": code}
        )
        assert (answer.status_code, answer.json()["user_id"]) == (200, user.user_id)
        assert len(linked_before) == (0 if code == codes[0] else 1)
    assert (await letters(app, user.email)).count("Another way into your account") == 1


async def test_an_account_links_and_unlinks_with_its_password(
    client: httpx.AsyncClient, provider: OpenIDServer, create_user: Create
) -> None:
    user = await create_user()
    subject, _ = person(provider, email_verified=False)  # another address, verified or not: the account says so itself
    wrong = await client.post(f"{USERS}/link/start", json={"password": "wrong"}, headers=user.headers)
    assert refused(wrong) == (401, "invalid_credentials")
    assert (await link(client, provider, user, subject)).status_code == 204
    assert (await sign_in(client, provider, subject)).json()["user_id"] == user.user_id
    unlink = f"{USERS}/unlink"
    assert refused(await client.post(unlink, json={"password": "wrong"}, headers=user.headers))[0] == 401
    assert (await client.post(unlink, json={"password": user.password}, headers=user.headers)).status_code == 204
    again = await client.post(unlink, json={"password": user.password}, headers=user.headers)
    assert refused(again) == (404, "identity_not_found")
    assert refused(await sign_in(client, provider, subject)) == (403, "openid_email_not_verified")


async def test_an_identity_is_one_accounts_only(
    client: httpx.AsyncClient, provider: OpenIDServer, create_user: Create
) -> None:
    subject, _ = person(provider)
    owner = (await sign_in(client, provider, subject)).json()
    thief = await create_user()
    assert refused(await link(client, provider, thief, subject)) == (409, "identity_taken")
    assert (await sign_in(client, provider, subject)).json()["user_id"] == owner["user_id"]


async def test_a_link_that_somebody_else_began_is_not_mine_to_finish(
    client: httpx.AsyncClient, provider: OpenIDServer, create_user: Create
) -> None:
    user, thief = await create_user(), await create_user()
    begun = await client.post(f"{USERS}/link/start", json={"password": thief.password}, headers=thief.headers)
    sent_back = provider.consent(begun.json()["authorization_url"], person(provider)[0])
    for path, headers in ((f"{USERS}/link/finish", user.headers), (f"{AUTH}/finish", {})):
        answer = await client.post(path, json=sent_back, headers=headers)
        assert refused(answer) == (401, "invalid_openid_answer")
    assert (await client.post(f"{USERS}/link/finish", json=sent_back, headers=thief.headers)).status_code == 204


async def test_who_came_without_a_password_sets_one_by_letter(
    app: FastAPI, client: httpx.AsyncClient, provider: OpenIDServer
) -> None:
    subject, email = person(provider)
    await sign_in(client, provider, subject)
    await client.post("/api/v1/auth/password/forgotten", json={"email": email})
    async with app.state.core.db.connection() as connection:
        found = await connection.execute("SELECT body FROM sandbox_messages WHERE recipient = %s", [email])
        ((body,),) = await found.fetchall()
    reset = {"token": body.splitlines()[-1], "new_password": "another long pass phrase"}
    assert (await client.post("/api/v1/auth/password/reset", json=reset)).status_code == 204
    login = {"email": email, "password": reset["new_password"]}
    assert (await client.post("/api/v1/auth/login", json=login)).status_code == 200


async def test_the_provider_is_asked_for_its_documents_once(client: httpx.AsyncClient, provider: OpenIDServer) -> None:
    provider.requests.clear()
    for _ in range(3):
        assert (await sign_in(client, provider, person(provider)[0])).status_code == 200
    assert provider.requests.count("/.well-known/openid-configuration") == 1
    assert provider.requests.count("/jwks") == 1


async def test_a_key_that_the_provider_has_changed_is_read_anew(
    client: httpx.AsyncClient, provider: OpenIDServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await sign_in(client, provider, person(provider)[0])).status_code == 200
    provider.storage.jwk = type(provider.storage.jwk).generate_key(is_private=True)
    monkeypatch.setattr(openid_provider, "ANEW_SECONDS", 0.0)  # a minute has passed
    assert (await sign_in(client, provider, person(provider)[0])).status_code == 200


async def test_a_provider_that_is_away_is_told_and_after_five_failures_not_asked(
    client: httpx.AsyncClient, provider: OpenIDServer
) -> None:
    subject, _ = person(provider)
    asked = 0
    for _ in range(6):
        sent_back = provider.consent(await begin(client), subject)  # its documents are kept: one can begin
        provider.broken = True
        provider.requests.clear()
        away = await client.post(f"{AUTH}/finish", json=sent_back)
        provider.broken = False
        assert refused(away) == (503, "openid_unavailable")
        assert away.headers["Retry-After"] == "2"
        asked += len(provider.requests)
    assert asked == 5


async def test_a_late_provider_does_not_hold_a_request(app: FastAPI, client: httpx.AsyncClient) -> None:
    found = openid.provider_of(app.state.core)
    found._call_seconds = 0.0
    began = time.monotonic()
    assert refused(await client.post(f"{AUTH}/start")) == (503, "openid_unavailable")
    assert time.monotonic() - began < 2


def test_an_issuer_must_be_reached_safely() -> None:
    for issuer in ("http://provider.example", "ftp://provider.example", "https://provider.example/?a=b", "provider"):
        with pytest.raises(ValueError, match="must be https"):
            openid_provider.Provider(issuer, CLIENT, "", "https://shop.example/signed-in")
    assert openid_provider.is_secure("https://provider.example/token", like="https://provider.example")
    assert not openid_provider.is_secure("http://127.0.0.1:80/token", like="https://provider.example")


async def test_where_no_provider_is_configured_there_is_none(app: FastAPI, client: httpx.AsyncClient) -> None:
    await openid.close_provider(app.state.core)
    assert refused(await client.post(f"{AUTH}/start")) == (404, "openid_not_configured")
