"""``lakefront bus``: dead letters are shown and sent again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis
from typer.testing import CliRunner, Result

from lakefront.bus import CLICKS, COMMERCE, Bus, connect
from lakefront.bus.command import app


@pytest.fixture
def url(servers, settings_with) -> Iterator[str]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    address = servers.bus_url(8 + int(worker.removeprefix("gw")) % 7)
    with Redis.from_url(address) as redis:
        redis.flushdb()
    with settings_with(LAKEFRONT_BUS_URL=address, COLUMNS="220"):
        yield address


def on(url: str, work: Callable[[Bus], Any]) -> Any:
    async def run() -> Any:
        bus = connect(url)
        try:
            return await work(bus)
        finally:
            await bus.close()

    return asyncio.run(run())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def park_two(url: str) -> None:
    async def park(bus: Bus) -> None:
        await bus.park(COMMERCE, 1, 7, b'{"half', "not JSON", consumer="lake-writer")
        await bus.park(CLICKS, 2, 128, b'{"a":1}', "no key", consumer="feature-writer")

    on(url, park)


def test_letters_are_shown_with_their_reason(url: str) -> None:
    assert "No dead letters" in run("dead-letters").output
    park_two(url)
    shown = run("dead-letters").output
    assert all(part in shown for part in ("lake-writer", "commerce:1:7", "not JSON", '{"half', "feature-writer"))


def test_one_letter_or_all_are_replayed(url: str) -> None:
    park_two(url)
    first = on(url, lambda bus: bus.dead_letters())[0]
    assert "1 sent again" in run("replay", first.id).output
    assert [letter.consumer for letter in on(url, lambda bus: bus.dead_letters())] == ["feature-writer"]
    assert "1 sent again" in run("replay", "--all").output
    entries = on(url, lambda bus: bus.read({(CLICKS, 1): 0, (CLICKS, 2): 0}, limit=10, wait_ms=10))
    assert {(entry.payload, entry.replay_for) for entry in entries} == {
        (b'{"half', "lake-writer"), (b'{"a":1}', "feature-writer"),
    }  # fmt: skip


def test_what_is_asked_wrongly_is_refused(url: str) -> None:
    assert run("replay").exit_code == 2
    assert run("replay", "--all", "1-1").exit_code == 2
    unknown = run("replay", "1-1")
    assert unknown.exit_code == 2
    assert "no dead letter" in unknown.output


def test_a_bus_that_is_away_is_said_so(settings_with) -> None:
    from lakefront.runtime import ports

    with settings_with(LAKEFRONT_BUS_URL=f"redis://127.0.0.1:{ports.any_free()}/0"):
        result = run("dead-letters")
    assert result.exit_code == 1
    assert "lakefront status" in result.output
