"""The client sends again what was not accepted, with the same ids, and no sooner than it was asked to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from simulator import client as client_module
from simulator.client import Client, ShopUnavailable
from simulator.shoppers import Account, Visitor

EVENTS = [{"event_id": "018f0000-0000-7000-8000-000000000001", "event_type": "t", "data": {}}]
Handler = Callable[[web.Request], Any]


async def serve(handler: Handler) -> TestServer:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app)
    await server.start_server()
    return server


def visitor(account: Account | None = None) -> Visitor:
    return Visitor(account, "device-1", "10.2.0.7", {}, "tok_visa_1")


async def test_refused_clickstream_is_sent_again_after_the_time_asked_for() -> None:
    seen: list[tuple[float, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((time.monotonic(), await request.read()))
        if len(seen) == 1:
            return web.json_response({"code": "bus_away"}, status=503, headers={"Retry-After": "1"})
        return web.json_response({"accepted": 1, "rejected": []}, status=202)

    server = await serve(handler)
    async with Client(str(server.make_url("")), "internal") as client:
        await client.send_events(visitor(), "session-1", EVENTS)
        assert (client.traffic.events_accepted, client.traffic.sent_again) == (1, 1)
    await server.close()
    assert seen[0][1] == seen[1][1], "the ids must stay the same, or a repeat is a second event"
    assert seen[1][0] - seen[0][0] >= 1.0


async def test_a_broken_connection_is_tried_again_with_the_same_idempotency_key() -> None:
    keys: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"order_id": "1"}, status=201)

    server = await serve(handler)
    async with Client(str(server.make_url("")), "internal") as client:
        answer = await client.as_visitor(
            visitor(), "session-1", "POST", "/orders", {}, headers={"Idempotency-Key": "key-1"}
        )
    await server.close()
    assert answer.status == 201
    assert keys == ["key-1", "key-1"]


async def test_an_order_still_under_way_is_asked_for_again_other_conflicts_are_answers() -> None:
    answers = [
        web.json_response({"code": "checkout_in_progress"}, status=409, headers={"Retry-After": "0"}),
        web.json_response({"code": "out_of_stock"}, status=409),
    ]

    async def handler(request: web.Request) -> web.Response:
        return answers.pop(0)

    server = await serve(handler)
    async with Client(str(server.make_url("")), "internal") as client:
        answer = await client.request("POST", "/orders", {})
    await server.close()
    assert answer.code == "out_of_stock"
    assert answers == []


async def test_a_visitor_is_known_by_session_device_and_address() -> None:
    headers: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        headers.update(request.headers)
        return web.json_response({})

    server = await serve(handler)
    async with Client(str(server.make_url("")), "internal") as client:
        await client.as_visitor(visitor(), "session-1", "GET", "/recommendations")
    await server.close()
    assert headers["X-Session-Id"] == "session-1"
    assert headers["X-Device-Id"] == "device-1"
    assert headers["X-Forwarded-For"] == "10.2.0.7"
    assert headers["X-Internal-Key"] == "internal"
    assert "Authorization" not in headers


async def test_a_token_that_ended_is_renewed_and_the_call_made_again() -> None:
    account = Account("a@b.example", "password", "US", "A", access_token="old", refresh_token="refresh")
    calls: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        calls.append(f"{request.path} {request.headers.get('Authorization', '')}".strip())
        if request.path.endswith("/auth/refresh"):
            return web.json_response({"access_token": "new", "refresh_token": "next"})
        if request.headers.get("Authorization") == "Bearer old":
            return web.json_response({"code": "token_expired"}, status=401)
        return web.json_response({})

    server = await serve(handler)
    async with Client(str(server.make_url("")), "internal") as client:
        answer = await client.as_visitor(visitor(account), "session-1", "GET", "/cart")
    await server.close()
    assert answer.ok
    assert calls == ["/api/v1/cart Bearer old", "/api/v1/auth/refresh", "/api/v1/cart Bearer new"]
    assert account.refresh_token == "next"


async def test_who_has_an_account_already_logs_in() -> None:
    account = Account("a@b.example", "password", "US", "A")

    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/auth/register"):
            return web.json_response({"code": "email_taken"}, status=409)
        return web.json_response({"access_token": "token", "refresh_token": "refresh"})

    server = await serve(handler)
    async with Client(str(server.make_url("")), "internal") as client:
        await client.enter(visitor(account))
    await server.close()
    assert account.access_token == "token"


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PATIENCE_SECONDS", 0.3)

    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"code": "bus_away"}, status=503, headers={"Retry-After": "0"})

    server = await serve(handler)
    async with Client(str(server.make_url("")), "internal") as client:
        with pytest.raises(ShopUnavailable, match="bus_away"):
            await client.request("GET", "/anything")
    await server.close()
