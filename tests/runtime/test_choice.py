"""Which ports and addresses a run takes, and how others find them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lakefront.runtime import choice, ports
from lakefront.settings import Settings, settings


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_default_port_gives_way_to_the_next_free_one(taken_port: int, lakefront_home: Path) -> None:
    class WishesWithTakenDefault(choice.Wishes):
        api_port: int = taken_port

    said: list[str] = []
    chosen = choice.choose(WishesWithTakenDefault(), said.append)
    assert chosen.api_port > taken_port
    assert ports.is_free(chosen.api_port)
    assert any(str(taken_port) in line and "LAKEFRONT_API_PORT" in line for line in said)


def test_a_port_that_gives_way_does_not_take_that_of_another_process(taken_port: int, lakefront_home: Path) -> None:
    class Wishes(choice.Wishes):
        api_port: int = taken_port
        dashboards_port: int = taken_port + 1

    assert choice.choose(Wishes(), lambda _: None).api_port > taken_port + 1


def test_a_taken_port_that_was_asked_for_is_an_error_that_names_the_setting(
    taken_port: int, lakefront_home: Path, settings_with: Callable[..., AbstractContextManager[object]]
) -> None:
    expected = pytest.raises(choice.PortTaken, match=f"{taken_port}.*LAKEFRONT_API_PORT")
    with settings_with(LAKEFRONT_API_PORT=str(taken_port)), expected:
        choice.choose(choice.Wishes(), lambda _: None)


def test_two_settings_that_ask_for_the_same_port_are_refused(lakefront_home: Path) -> None:
    wished = ports.any_free()
    with pytest.raises(choice.PortTaken, match="LAKEFRONT_DASHBOARDS_PORT"):
        choice.choose(choice.Wishes(api_port=wished, dashboards_port=wished), lambda _: None)


def test_no_two_processes_get_the_same_port(lakefront_home: Path) -> None:
    chosen = choice.choose(choice.Wishes(), lambda _: None)
    numbers = [getattr(chosen, name) for name in Settings.model_fields if name.endswith("_port")]
    assert len(set(numbers)) == len(numbers)


def test_the_choice_is_found_by_every_process_and_read_by_nobody_else(lakefront_home: Path) -> None:
    chosen = choice.choose(choice.Wishes(simulation=True), lambda _: None)
    choice.write(chosen)
    settings.cache_clear()
    found = settings()
    assert found.database_url == chosen.database_url
    assert found.database_url.startswith("postgresql://lakefront:")
    assert (found.bus_url, found.store_url, found.simulation) == (chosen.bus_url, chosen.store_url, True)
    path = choice.file_of(lakefront_home)
    assert path.stat().st_mode & 0o077 == 0, "it holds the password of the database"
    assert "home" not in json.loads(path.read_text()), "a data folder may be moved"


def test_servers_of_ones_own_are_taken_as_they_are(lakefront_home: Path) -> None:
    wishes = choice.Wishes(database_url="postgresql://me@db/x", bus_url="redis://bus/0", store_url="redis://store/0")
    chosen = choice.choose(wishes, lambda _: None)
    assert (chosen.database_url, chosen.bus_url) == ("postgresql://me@db/x", "redis://bus/0")


def test_no_free_port_is_an_error() -> None:
    with pytest.raises(OSError, match="no free port"):
        ports.next_free(65536)
