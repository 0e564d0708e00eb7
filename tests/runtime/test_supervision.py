"""Real servers under the real supervisor: whatever is killed comes back, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from lakefront.runtime import choice, machine, orphans, ports, postgres, processes, redis_server
from lakefront.runtime.supervisor import State, Supervisor
from lakefront.settings import Settings

SERVERS = [process for process in processes.procfile() if process.is_server]


@pytest.fixture
def running(
    lakefront_home: Path, whole_machine: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Settings, Supervisor]]:
    """PostgreSQL and both Redis under a supervisor, without the rest of the Procfile."""
    for name in ("DATABASE_URL", "BUS_URL", "STORE_URL"):  # of the session's own servers: these shall be embedded
        monkeypatch.delenv(f"LAKEFRONT_{name}", raising=False)
    chosen = choice.choose(choice.Wishes(), lambda _: None)
    choice.write(chosen)
    supervisor = Supervisor(chosen)
    bring_up(chosen, supervisor)
    yield chosen, supervisor
    machine.down()


def bring_up(chosen: Settings, supervisor: Supervisor) -> None:
    supervisor.start(SERVERS)
    for process in SERVERS:
        supervisor.start_process(process)
    answer(chosen)


def answer(chosen: Settings) -> None:
    postgres.wait_until_ready(chosen.database_url, 60)
    redis_server.wait_until_ready(chosen.bus_url, 60)
    redis_server.wait_until_ready(chosen.store_url, 60)


def wait_for(what: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def state(supervisor: Supervisor, name: str) -> State:
    return next(each for each in supervisor.states() if each.name == name)


def test_a_killed_server_comes_back_with_what_it_acknowledged(running: tuple[Settings, Supervisor]) -> None:
    chosen, supervisor = running
    postgres.ensure_database(chosen.database_url)
    with psycopg.connect(chosen.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS id")
    with redis.Redis.from_url(chosen.bus_url) as bus:
        entry = bus.xadd("kept", {"id": "7"})
    for process in SERVERS:
        before = state(supervisor, process.name).pid
        os.kill(before, signal.SIGKILL)
        wait_for(lambda name=process.name, before=before: state(supervisor, name).pid not in (0, before))  # type: ignore[misc]
    answer(chosen)
    with psycopg.connect(chosen.database_url) as connection:
        assert connection.execute("SELECT id FROM kept").fetchall() == [(7,)]
    with redis.Redis.from_url(chosen.bus_url) as bus:
        assert [one for one, _ in bus.xrange("kept")] == [entry], "the bus keeps what it acknowledged"


def test_a_killed_supervisor_takes_its_processes_along_and_the_next_start_works(
    running: tuple[Settings, Supervisor],
) -> None:
    chosen, supervisor = running
    pids = [each.pid for each in supervisor.states()]
    number = supervisor.pid()
    assert number is not None
    os.kill(number, signal.SIGKILL)
    wait_for(lambda: supervisor.pid() is None)
    assert machine.current_supervisor() is None, "the pid file that is left does not deceive"
    machine.clear_leftovers(chosen.home, lambda _: None)
    assert not [
        psutil.Process(pid).as_dict(["pid", "ppid", "status", "cmdline"]) for pid in pids if orphans.is_alive(pid)
    ]
    bring_up(chosen, supervisor)
    assert all(each.state in ("RUNNING", "STARTING") for each in supervisor.states())


def test_a_supervisor_killed_while_its_processes_start_leaves_none(running: tuple[Settings, Supervisor]) -> None:
    chosen, supervisor = running
    for process in SERVERS:
        supervisor.stop_process(process)
        supervisor.start_process(process)
    pids = [each.pid for each in supervisor.states() if each.pid]
    assert pids
    number = supervisor.pid()
    assert number is not None
    os.kill(number, signal.SIGKILL)
    wait_for(lambda: supervisor.pid() is None)
    machine.clear_leftovers(chosen.home, lambda _: None)
    assert not [pid for pid in pids if orphans.is_alive(pid)]


def test_a_redis_that_outlived_its_supervisor_is_ended_before_the_next_start(
    lakefront_home: Path, whole_machine: None
) -> None:
    folder = lakefront_home / "bus"
    folder.mkdir(parents=True, exist_ok=True)
    left = subprocess.Popen(redis_server.command("bus", folder, ports.any_free()), stdout=subprocess.DEVNULL)
    wait_for(lambda: [each.pid for each in redis_server.running(folder)] == [left.pid])
    assert machine.clear_leftovers(lakefront_home, lambda _: None)
    assert left.wait(10) == 0, "it was asked, not killed"


def test_down_ends_everything_and_says_whether_anything_ran(running: tuple[Settings, Supervisor]) -> None:
    _, supervisor = running
    pids = [each.pid for each in supervisor.states()]
    assert machine.down()
    assert supervisor.pid() is None
    assert not [pid for pid in pids if orphans.is_alive(pid)]
    assert not machine.down()


def test_a_running_supervisor_is_reached_though_secrets_and_settings_have_changed(
    running: tuple[Settings, Supervisor],
) -> None:
    chosen, supervisor = running
    (chosen.home / "secrets.json").rename(chosen.home / "kept.json")
    try:
        changed = Supervisor(chosen.model_copy(update={"supervisor_port": ports.any_free()}))
        assert {each.name for each in changed.states()} == {process.name for process in SERVERS}
        assert not (chosen.home / "secrets.json").exists(), "looking at it makes no new secrets"
    finally:
        (chosen.home / "kept.json").rename(chosen.home / "secrets.json")
    os.kill(state(supervisor, "store").pid, signal.SIGKILL)
    wait_for(lambda: supervisor.crashes() == {"store": 1})


def test_passwords_of_the_supervisor_are_for_us_alone(running: tuple[Settings, Supervisor]) -> None:
    _, supervisor = running
    assert supervisor.configuration_file.stat().st_mode & 0o077 == 0
