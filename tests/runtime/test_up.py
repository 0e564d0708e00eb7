"""``lakefront up`` with all processes of the Procfile: again and again, killed, and down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lakefront.runtime import orphans, ports, processes
from lakefront.runtime.supervisor import Supervisor
from lakefront.settings import Settings

pytestmark = pytest.mark.end_to_end


class Machine:
    """A data folder of its own, driven by the command line as a person would."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.api_port = ports.any_free()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LAKEFRONT_")},
            "LAKEFRONT_HOME": str(home),
            "LAKEFRONT_API_PORT": str(self.api_port),
            "LAKEFRONT_LOG_LEVEL": "WARNING",
            "COLUMNS": "160",
        }

    def lakefront(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lakefront.cli", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False, timeout=400)

    def pids(self) -> dict[str, int]:
        """Running processes by name."""
        chosen = json.loads((self.home / "runtime.json").read_text())
        supervisor = Supervisor(Settings(**{**chosen, "home": self.home}))
        return {each.name: each.pid for each in supervisor.states() if each.is_running}

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}/health/ready", timeout=3) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, whole_machine: None) -> Iterator[Machine]:
    found = Machine(tmp_path_factory.mktemp("machine") / ("deep-" * 20) / "home")
    done = found.lakefront("up")
    assert done.returncode == 0, done.stdout + done.stderr
    yield found
    assert found.lakefront("down").returncode == 0


def wait_for(what: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def test_all_processes_of_the_procfile_run(machine: Machine) -> None:
    shown = json.loads(machine.lakefront("status", "--json").stdout)
    assert [each["name"] for each in shown["processes"]] == [process.name for process in processes.procfile()]
    wait_for(lambda: set(machine.pids()) == {process.name for process in processes.procfile()})
    assert machine.is_ready()


def test_up_twice_says_so_and_leaves_what_runs_alone(machine: Machine) -> None:
    before = machine.pids()
    done = machine.lakefront("up")
    assert done.returncode == 0, done.stderr
    assert "everything is running already" in done.stdout
    assert machine.pids() == before


def test_kill_9_brings_every_process_back_and_none_of_their_children_stays(machine: Machine) -> None:
    before = {name: pid for name, pid in machine.pids().items() if not name.startswith("dagster")}
    children = [child.pid for pid in before.values() for child in psutil.Process(pid).children(recursive=True)]
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not set(before) - {name for name, pid in machine.pids().items() if pid not in before.values()})
    wait_for(machine.is_ready)
    wait_for(lambda: not any(orphans.is_alive(pid) for pid in children), 30)


def test_a_killed_api_worker_is_replaced_while_the_api_goes_on(machine: Machine) -> None:
    main = machine.pids()["api"]
    workers = {child.pid for child in psutil.Process(main).children()}
    victim = max(workers)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: bool({child.pid for child in psutil.Process(main).children()} - workers))
    wait_for(machine.is_ready)
    assert machine.pids()["api"] == main


def test_restart_and_logs_and_doctor(machine: Machine) -> None:
    before = machine.pids()["relay"]
    done = machine.lakefront("restart", "relay")
    assert done.returncode == 0, done.stderr
    assert machine.pids()["relay"] != before
    assert "launch: starting" in machine.lakefront("logs", "relay").stdout
    refused = machine.lakefront("restart", "dancer")
    assert refused.returncode == 2
    assert "lake-writer" in refused.stderr
    looked = machine.lakefront("doctor")
    assert "PostgreSQL" in looked.stdout and "in use by this Lakefront" in looked.stdout


def test_after_a_killed_supervisor_up_brings_everything_back_with_the_data(machine: Machine) -> None:
    before = machine.pids()
    supervisor = psutil.Process(before["api"]).parent()
    assert supervisor is not None
    supervisor.kill()
    done = machine.lakefront("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the database is new" not in done.stdout
    assert not {pid for pid in before.values() if orphans.is_alive(pid)}
    assert machine.is_ready()
