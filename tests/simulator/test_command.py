"""``lakefront simulate`` where there is nothing to simulate on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakefront.runtime import ports
from simulator import command
from simulator.client import Answer, Client


def test_a_shop_that_is_away_is_told_within_seconds(
    lakefront_home: Path, settings_with: Callable[..., AbstractContextManager[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "ANSWERS_WITHIN_SECONDS", 0.5)
    began = time.monotonic()
    with settings_with(LAKEFRONT_API_PORT=str(ports.any_free())):
        result = CliRunner().invoke(command.app, [])
    assert result.exit_code == 1
    assert "lakefront up --simulation" in result.output
    assert time.monotonic() - began < 60, "not the patience of a run that is at work"


def test_a_shop_outside_simulation_mode_is_left_as_it_is(lakefront_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def refuse(self: Client, method: str, path: str, *_: object, **__: object) -> Answer:
        asked.append(f"{method} {path}")
        return Answer(403, {"code": "not_simulating"})

    monkeypatch.setattr(Client, "request", refuse)
    result = CliRunner().invoke(command.app, [])
    assert result.exit_code == 1
    assert "not in simulation mode" in result.output and "Is the shop running?" not in result.output
    assert asked == ["GET /api/v1/simulation/clock"], "no product is listed first"
