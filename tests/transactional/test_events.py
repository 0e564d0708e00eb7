"""Clickstream: the good of a batch are on the bus when 202 is answered, the bad are named, and 503 keeps nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from lakefront.bus import CLICKS, BusError, Pack
from lakefront.clock import iso, real_now
from lakefront.contracts import STOREFRONT_TYPES, Envelope, partition_of
from lakefront.ids import new_id
from transactional.events.schemas import REQUEST_BODY
from transactional.platform.publisher import Publisher
from transactional.platform.tokens import verify

Create = Callable[..., Awaitable[Any]]


def viewed(session: str, **changes: Any) -> dict[str, Any]:
    data = {"session": session, "product_id": str(new_id()), "surface": "home"}
    return {"event_type": "storefront.product.viewed.v1", "event_id": str(new_id()), "data": data} | changes


async def on_the_bus(app: FastAPI, session: str) -> list[Envelope]:
    """Envelopes of a session, in the order of the bus."""
    core = app.state.core
    partition = partition_of(session, core.settings.bus_partitions)
    envelopes: list[Envelope] = []
    offset = 0
    while entries := await core.bus.read({(CLICKS, partition): offset}, limit=500, wait_ms=1):
        offset = entries[-1].offset
        envelopes += [Envelope(**orjson.loads(line)) for entry in entries for line in entry.payload.splitlines()]
    return [envelope for envelope in envelopes if envelope.key == session]


async def test_accepted_events_are_on_the_bus_in_order(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user, session = await create_user(), f"s-{new_id()}"
    events = [viewed(session) for _ in range(250)]
    answer = await client.post(
        "/api/v1/events", json={"events": events}, headers=user.headers | {"X-Correlation-Id": "try-1"}
    )
    assert (answer.status_code, answer.json()) == (202, {"accepted": 250, "rejected": []})
    envelopes = await on_the_bus(app, session)
    assert [str(envelope.event_id) for envelope in envelopes] == [event["event_id"] for event in events]
    first = envelopes[0]
    assert first.data == events[0]["data"] | {"decision_id": None, "position": None}
    assert first.metadata == {
        "session": session,
        "user": str(verify(user.access_token).user),
        "correlation_id": "try-1",
    }
    assert user.user_id not in first.model_dump_json()
    assert first.sequence is None
    assert abs((first.recorded_at - real_now()).total_seconds()) < 30


async def test_bad_events_are_named_and_good_ones_kept(app: FastAPI, client: httpx.AsyncClient) -> None:
    session, now = f"s-{new_id()}", real_now()
    bad: list[tuple[Any, str]] = [
        ({"event_type": "storefront.nothing.v1", "data": {}}, "unknown_event_type"),
        ({"event_type": ["x"], "data": {}}, "unknown_event_type"),
        ({"event_type": "commerce.order.placed.v1", "data": {}}, "unknown_event_type"),
        (viewed(session, data={"session": session}), "invalid_data"),
        (viewed("no spaces"), "invalid_data"),
        (viewed(session, data=None), "invalid_data"),
        (viewed(session, event_id="7"), "invalid_event_id"),
        (viewed(session, occurred_at=iso(now + timedelta(minutes=6))), "in_the_future"),
        (viewed(session, occurred_at=iso(now - timedelta(hours=25))), "too_old"),
        (viewed(session, occurred_at="2026-01-01T00:00:00"), "invalid_time"),
        (viewed(session, occurred_at=7), "invalid_time"),
        (viewed(session, user="me"), "unknown_field"),
        ("event", "not_an_object"),
    ]
    good = viewed(session, occurred_at=iso(now - timedelta(hours=1)))
    answer = await client.post("/api/v1/events", json={"events": [event for event, _ in bad] + [good]})
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    assert [(one["index"], one["code"]) for one in answer.json()["rejected"]] == [
        (index, code) for index, (_, code) in enumerate(bad)
    ]
    assert [str(envelope.event_id) for envelope in await on_the_bus(app, session)] == [good["event_id"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"", 400, "malformed_json"),
        (b"[]", 422, "invalid_request"),
        (b'{"events": []}', 422, "invalid_request"),
        (b'{"events": [1]}', 422, "no_valid_event"),
        (orjson.dumps({"events": [1] * 501}), 422, "invalid_request"),
    ],
)
async def test_a_batch_of_which_nothing_can_be_taken(
    client: httpx.AsyncClient, body: bytes, status: int, code: str
) -> None:
    answer = await client.post("/api/v1/events", content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


class AwayBus:
    """A bus that does not take anything, and counts how often it was asked."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.calls = 0
        self.taken: list[Pack] = []
        self.is_away = True

    async def publish(self, packs: Sequence[Pack]) -> list[int]:
        self.calls += 1
        if self.is_away and self.hangs:
            await asyncio.sleep(60)
        if self.is_away:
            raise BusError("away")
        self.taken += packs
        return [1] * len(packs)


@pytest.mark.parametrize("hangs", [False, True])
async def test_without_the_bus_clicks_are_refused_soon_and_then_at_once(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    away = AwayBus(hangs=hangs)
    publisher = app.state.core.publisher
    monkeypatch.setattr(publisher, "_bus", away)
    monkeypatch.setattr(publisher, "_deadline", 0.05)
    body = {"events": [viewed(f"s-{new_id()}")]}
    answers = [await client.post("/api/v1/events", json=body) for _ in range(7)]
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["code"] for answer in answers} == {"bus_unavailable"}
    assert int(answers[0].headers["Retry-After"]) >= 1
    assert away.calls == 5  # then the breaker was open


async def test_decisions_wait_for_the_bus(app: FastAPI) -> None:
    away = AwayBus()
    publisher = Publisher(away, 0.05)  # type: ignore[arg-type]
    publisher.start()
    message = (await _a_message(app),)
    for _ in range(120):
        publisher.log_decision(message[0])
    await asyncio.sleep(0.2)
    assert away.taken == []
    away.is_away = False
    await publisher.stop()
    assert [pack.count for pack in away.taken] == [100, 20]


async def test_concurrent_requests_share_a_publish(app: FastAPI) -> None:
    bus = AwayBus()
    bus.is_away = False
    publisher = Publisher(bus, 1.0)  # type: ignore[arg-type]
    publisher.start()
    message = await _a_message(app)
    await asyncio.gather(*(publisher.publish([message]) for _ in range(50)))
    await publisher.stop()
    assert sum(pack.count for pack in bus.taken) == 50
    assert bus.calls < 5


async def _a_message(app: FastAPI) -> Any:
    event = viewed("some-session")
    data = STOREFRONT_TYPES[event["event_type"]].model_validate(event["data"])
    return app.state.core.message(data, real_now(), "tests", {})


def test_the_example_of_the_documentation_is_taken() -> None:
    example = REQUEST_BODY["content"]["application/json"]["example"]
    for event in example["events"]:
        assert STOREFRONT_TYPES[event["event_type"]].model_validate(event["data"])
