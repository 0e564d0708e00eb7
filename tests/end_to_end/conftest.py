"""A shop of real processes in a data folder of its own: servers, core, relay, worker and writers under the supervisor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakefront.runtime import choice, machine, processes
from lakefront.runtime.supervisor import Supervisor
from lakefront.secrets import secrets
from lakefront.settings import Settings, settings

NOT_NEEDED = ("dagster-code", "dagster-webserver", "dagster-daemon", "log-rotation", "guard")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, whole_machine: None) -> Iterator[Settings]:
    """The running shop, in simulation mode; ``settings()`` names it. One for each test module."""
    home = tmp_path_factory.mktemp("shop")
    # Empty addresses: embedded servers of its own, whatever other tests of this worker have named.
    chosen = {"HOME": str(home), "DATABASE_URL": "", "BUS_URL": "", "STORE_URL": "", "LAKE_URL": "", "MODELS_URL": ""}
    before = {name: os.environ.get(f"LAKEFRONT_{name}") for name in chosen}
    os.environ.update({f"LAKEFRONT_{name}": value for name, value in chosen.items()})
    _forget()
    try:
        _bring_up(home)
        # From here on the addresses that were chosen hold, as they do for a person's next command.
        for name in chosen:
            if name != "HOME":
                del os.environ[f"LAKEFRONT_{name}"]
        _forget()
        yield settings()
    finally:
        machine.down()
        for name, value in before.items():
            os.environ.pop(f"LAKEFRONT_{name}", None)
            if value is not None:
                os.environ[f"LAKEFRONT_{name}"] = value
        _forget()


def _bring_up(home: Path) -> None:
    wishes = choice.Wishes(simulation=True)
    taken = choice.choose(wishes, lambda _: None)
    choice.write(taken)
    Supervisor(taken).start([process for process in processes.wanted(wishes) if process.name not in NOT_NEEDED])
    machine.up()


def _forget() -> None:
    settings.cache_clear()
    secrets.cache_clear()
