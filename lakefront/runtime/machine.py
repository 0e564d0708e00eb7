"""Everything of one data folder on this machine: bring it up, look at it, take it down.

``up`` may be called at any time. It starts what does not run, and recovers from any earlier end: a killed supervisor, a
crash of the machine, a data folder that was moved.
"""

from __future__ import annotations

import fcntl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from lakefront.runtime import choice, orphans, postgres, preparation, processes, redis_server
from lakefront.runtime.processes import Process
from lakefront.runtime.supervisor import State, Supervisor
from lakefront.secrets import load_secrets, secrets
from lakefront.settings import Settings, data_folder, settings

Say = Callable[[str], None]

READY_SECONDS = 240.0
FOREIGN_SECONDS = 30.0
"""How long to wait for servers that settings name: they may be starting at the same time."""


class DataFolderUnusable(RuntimeError):
    """Nothing can be kept in the data folder; the message says why and names the setting."""


class NotReady(RuntimeError):
    """A process did not come up; the message names it and shows the end of its log."""


@dataclass(frozen=True)
class Report:
    """What ``up`` found and did."""

    settings: Settings
    was_running: bool
    started: list[str]
    switched: bool = False
    """Whether the processes were restarted for another mode (simulation or not)."""


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Two commands at once on one data folder wait for each other."""
    (home / "run").mkdir(parents=True, exist_ok=True)
    with (home / "run" / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up(*, simulation: bool | None = None, wait: bool = False, say: Say = lambda _: None) -> Report:
    """Start everything and return when the shop answers (with ``wait``: when Dagster does too).

    Raises NotReady, DataFolderUnusable, PortTaken, PostgresError or RedisError, whose messages say what to do.
    """
    home = data_folder()
    _prepare(home)
    with _only_one(home):
        return _up(simulation, wait, say)


def _prepare(home: Path) -> None:
    """Make the data folder and its secrets. Raises DataFolderUnusable."""
    if (home / "postgres" / "PG_VERSION").exists() and not (home / "secrets.json").exists():
        # New ones would not fit: the database and all that was signed and hashed know the old ones.
        raise DataFolderUnusable(
            f"{home / 'secrets.json'} is gone, and the data beside it was made with its secrets: put it back, or name an"
            " empty folder in LAKEFRONT_HOME"
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        load_secrets(home)
    except OSError as error:
        raise DataFolderUnusable(
            f"the data folder {home} cannot be written ({error.strerror}): set LAKEFRONT_HOME to a folder of yours"
        ) from error


def _up(simulation: bool | None, wait: bool, say: Say) -> Report:
    wishes = choice.Wishes()
    running = current_supervisor()
    was_running, switched = running is not None, False
    if running is None:
        clear_leftovers(wishes.home, say)
        if simulation:
            wishes = choice.Wishes(simulation=True)
        _wait_for_foreign_servers(wishes, say)
        chosen = choice.choose(wishes, say)
        choice.write(chosen)
        supervisor = Supervisor(chosen)
        supervisor.start(processes.wanted(wishes))
    else:
        chosen, supervisor = Settings(), running
        if simulation is not None and simulation != chosen.simulation:
            say(f"switching simulation mode {'on' if simulation else 'off'}, for which the processes are restarted")
            chosen.simulation = simulation
            choice.write(chosen)
            supervisor.stop_app()
            switched = True
    settings.cache_clear()
    secrets.cache_clear()
    before = supervisor.states()
    down_before = {state.name for state in before if not state.is_running and not state.is_starting}
    known = {state.name for state in before}
    to_run = [process for process in processes.procfile() if process.name in known]
    for process in to_run:
        if process.is_server:
            supervisor.start_process(process)
    _wait_for_servers(chosen, known)
    backgrounds = preparation.prepare(chosen, say)
    for process in to_run:
        if not process.is_late:
            supervisor.start_process(process)
    wait_until_ready(chosen, supervisor, _shop(chosen))
    preparation.finish(
        backgrounds, say
    )  # Dagster's processes would make its storage, all at once, and get in each other's way
    for process in to_run:
        supervisor.start_process(process)
    if wait:
        wait_until_ready(chosen, supervisor, {"dagster-webserver": f"{chosen.dagster_url}/server_info"}, 180)
    return Report(chosen, was_running, [process.name for process in to_run if process.name in down_before], switched)


def down(say: Say = lambda _: None) -> bool:
    """Stop everything, the servers last. Returns whether anything ran."""
    home = data_folder()
    if not home.exists():
        return False
    with _only_one(home):
        supervisor = current_supervisor()
        if supervisor is not None:
            supervisor.shut_down()
        return clear_leftovers(home, say) or supervisor is not None


def current_supervisor() -> Supervisor | None:
    """The running supervisor of the data folder, None when there is none."""
    supervisor = Supervisor(Settings())
    return supervisor if supervisor.pid() is not None else None


def states() -> list[State]:
    """The processes in the order of the Procfile; none when nothing runs."""
    supervisor = current_supervisor()
    if supervisor is None:
        return []
    order = {process.name: number for number, process in enumerate(processes.procfile())}
    return sorted(supervisor.states(), key=lambda state: order.get(state.name, len(order)))


def crashes() -> dict[str, int]:
    """How often each process ended by itself since the supervisor started."""
    return Supervisor(Settings()).crashes()


def stranded() -> list[psutil.Process]:
    """What runs on although its supervisor has gone; none while there is a supervisor."""
    return [] if current_supervisor() is not None else leftovers(data_folder())


def restart(name: str) -> None:
    """Restart one process. Raises KeyError for one that is not under the supervisor, NotReady when nothing runs."""
    supervisor = current_supervisor()
    if supervisor is None:
        raise NotReady("nothing runs: start it with `lakefront up`")
    process: Process = {each.name: each for each in processes.procfile()}[name]
    if name not in {state.name for state in supervisor.states()}:
        raise KeyError(name)
    supervisor.stop_process(process)
    supervisor.start_process(process, wait=True)


def leftovers(home: Path) -> list[psutil.Process]:
    """What a killed supervisor left behind and has not ended yet. Servers write over their marks: their folders tell."""
    servers = [*redis_server.running(home / "bus"), *redis_server.running(home / "store")]
    postmaster = postgres.running_postmaster(home / "postgres")
    found = [*orphans.leftovers(home), *servers, *([postmaster] if postmaster else [])]
    return list({process.pid: process for process in found}.values())


def clear_leftovers(home: Path, say: Say) -> bool:
    """End what a killed supervisor left behind. Returns whether there was anything."""
    data = home / "postgres"
    postmaster = postgres.running_postmaster(data)
    left = [process for process in leftovers(home) if process != postmaster]
    orphans.end(left, said=say)
    if postmaster is not None:
        say("ending a PostgreSQL that outlived its supervisor")
    if data.exists():
        postgres.clear_the_way(data)
    return bool(left) or postmaster is not None


def sweep(home: Path, patience: float, say: Say) -> None:
    """Give what a killed supervisor left behind time to end by itself, then end it; a new supervisor's is left alone."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and leftovers(home):
        time.sleep(0.5)
    with _only_one(home):
        if current_supervisor() is None:
            clear_leftovers(home, say)


def wait_until_ready(
    chosen: Settings, supervisor: Supervisor, addresses: dict[str, str], seconds: float = READY_SECONDS
) -> None:
    """Wait until each of these processes answers at its address. Raises NotReady."""
    deadline = time.monotonic() + seconds
    waiting = dict(addresses)
    while waiting:
        waiting = {name: address for name, address in waiting.items() if not _answers(address)}
        states = {state.name: state for state in supervisor.states()}
        broken = [name for name in waiting if states[name].state in ("FATAL", "EXITED")]
        if broken or (waiting and time.monotonic() > deadline):
            name = (broken or list(waiting))[0]
            raise NotReady(f"{name} does not come up ({states[name].detail}):\n{tail(chosen.home, name, 25)}")
        time.sleep(0.1)


def _shop(chosen: Settings) -> dict[str, str]:
    return {"api": f"{chosen.api_url}/health/ready", "dashboards": f"{chosen.dashboards_url}/"}


def tail(home: Path, name: str, lines: int) -> str:
    """The last lines of a process's log."""
    path = processes.log_file(home, name)
    if not path.exists():
        return f"(no log at {path})"
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 400 * lines - 4096))
        return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])


def _wait_for_foreign_servers(wishes: choice.Wishes, say: Say) -> None:
    """Servers of others come first: where one is away nothing of ours is started, and nothing stays behind."""
    servers: dict[str, tuple[str, Callable[[str], str], Callable[[str], None]]] = {
        "LAKEFRONT_DATABASE_URL": (wishes.database_url, postgres.place, _database),
        "LAKEFRONT_BUS_URL": (wishes.bus_url, redis_server.place, _redis),
        "LAKEFRONT_STORE_URL": (wishes.store_url, redis_server.place, _redis),
    }
    for setting, (address, place, wait) in servers.items():
        if not address:
            continue
        try:
            say(f"asking the server at {place(address)}, which {setting} names")
            wait(address)
        except (postgres.PostgresError, redis_server.RedisError) as error:
            raise NotReady(
                f"{error}: start that server, correct {setting}, or unset it to use the embedded one"
            ) from error


def _database(address: str) -> None:
    postgres.wait_until_ready(address, FOREIGN_SECONDS)
    postgres.ensure_database(address)  # tells whether user and password are right, too


def _redis(address: str) -> None:
    redis_server.wait_until_ready(address, FOREIGN_SECONDS)


def _wait_for_servers(chosen: Settings, ours: Collection[str]) -> None:
    """Wait for all three servers; of those in ``ours`` an error shows the log."""
    waits: dict[str, Callable[[], None]] = {
        "postgres": lambda: postgres.wait_until_ready(chosen.database_url, 60),
        "bus": lambda: redis_server.wait_until_ready(chosen.bus_url, 60),
        "store": lambda: redis_server.wait_until_ready(chosen.store_url, 60),
    }
    for name, wait in waits.items():
        try:
            wait()
        except (postgres.PostgresError, redis_server.RedisError) as error:
            log = f":\n{tail(chosen.home, name, 15)}" if name in ours else ""
            raise NotReady(f"{error}{log}") from error


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 - our own address
            return int(answer.status) < 400
    except urllib.error.HTTPError as error:
        return error.code in (401, 403)  # it is there and asks who we are
    except OSError:
        return False
