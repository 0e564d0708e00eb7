"""A merchandiser with a second factor signs in by two pages, against a server that answers as the core's contract says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from serving.dashboards.app import create_app
from serving.dashboards.core_client import CoreClient
from serving.dashboards.session import COOKIE

CHALLENGE, CODE = "the-challenge-of-this-login", "287082"
FORM = {"email": "m@shop.example", "password": "correct horse"}
ACCOUNT = web.AppKey("account", dict[str, str])


def problem(code: str, title: str, detail: str = "", **extra: Any) -> web.Response:
    return web.json_response({"code": code, "title": title, "detail": detail, **extra}, status=401)


async def log_in(request: web.Request) -> web.Response:
    if await request.json() != FORM:
        return problem("invalid_credentials", "The e-mail address or the password is wrong")
    more = {"challenge": CHALLENGE, "second_factor": request.app[ACCOUNT]["kind"], "expires_in": 300}
    return problem("second_factor_required", "The second factor is still to come", "Send the challenge", **more)


async def second_factor(request: web.Request) -> web.Response:
    sent = await request.json()
    if sent["challenge"] != CHALLENGE:
        return problem("invalid_challenge", "The challenge is not valid, or not any more", "Log in again.")
    if sent["code"] != CODE:
        return problem("invalid_code", "The code is not valid", "A code is good once, and for a short time.")
    return web.json_response({"access_token": "access", "refresh_token": "refresh"})


async def profile(request: web.Request) -> web.Response:
    assert request.headers["Authorization"] == "Bearer access"
    return web.json_response({"user_id": "u-7", "email": "m@shop.example", "role": request.app[ACCOUNT]["role"]})


@pytest.fixture
async def core() -> AsyncIterator[TestServer]:
    application = web.Application()
    application[ACCOUNT] = {"role": "merchandiser", "kind": "totp"}
    application.router.add_post("/api/v1/auth/login", log_in)
    application.router.add_post("/api/v1/auth/login/second-factor", second_factor)
    application.router.add_get("/api/v1/users/profile", profile)
    server = TestServer(application)
    async with server:
        yield server


@pytest.fixture
async def browser(lakefront_home: Path, core: TestServer) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app()
    app.state.core = CoreClient(str(core.make_url("/")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://pages") as client:
        yield client
    await app.state.core.close()


async def test_the_password_is_followed_by_a_page_for_the_code(browser: httpx.AsyncClient) -> None:
    asked = await browser.post("/login", data=FORM)
    assert asked.status_code == 200
    assert 'action="/login/second-factor"' in asked.text
    assert f'name="challenge" value="{CHALLENGE}"' in asked.text
    assert "Code that your authenticator shows" in asked.text
    assert COOKIE not in browser.cookies, "nobody is let in before the code"
    let_in = await browser.post("/login/second-factor", data={"challenge": CHALLENGE, "code": CODE})
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/")
    assert COOKIE in browser.cookies


async def test_a_wrong_code_can_be_mended_on_the_same_page(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/login/second-factor", data={"challenge": CHALLENGE, "code": "000000"})
    assert answer.status_code == 401
    assert "The code is not valid. A code is good once" in answer.text
    assert f'name="challenge" value="{CHALLENGE}"' in answer.text
    assert COOKIE not in browser.cookies


async def test_who_comes_too_late_begins_anew(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/login/second-factor", data={"challenge": "of-yesterday", "code": CODE})
    assert answer.status_code == 401
    assert "Please sign in once more" in answer.text
    assert 'name="password"' in answer.text


async def test_a_code_by_text_message_is_asked_for_as_such(core: TestServer, browser: httpx.AsyncClient) -> None:
    core.app[ACCOUNT]["kind"] = "sms"
    assert "Code that we sent to your telephone" in (await browser.post("/login", data=FORM)).text


async def test_the_second_factor_makes_no_merchandiser_of_a_shopper(
    core: TestServer, browser: httpx.AsyncClient
) -> None:
    core.app[ACCOUNT]["role"] = "shopper"
    answer = await browser.post("/login/second-factor", data={"challenge": CHALLENGE, "code": CODE})
    assert (answer.status_code, COOKIE in browser.cookies) == (403, False)
    assert "this account is not one" in answer.text
