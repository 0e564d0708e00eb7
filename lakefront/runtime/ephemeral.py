"""A PostgreSQL and two Redis of their own, in a temporary folder, thrown away afterwards: for tests and benchmarks.

``python -m lakefront.runtime.ephemeral FOLDER OWNER_PID`` runs them until the owner has gone, is asked to stop (SIGTERM),
or one of the servers ends. It writes ``servers.json`` into the folder when all three answer. ``start`` does that from
Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from lakefront.runtime import orphans, ports, postgres, redis_server, system_user


@dataclass(frozen=True)
class Servers:
    """Addresses of running throw-away servers."""

    keeper_pid: int
    postgres_port: int
    postgres_password: str
    bus_port: int
    store_port: int

    def database_url(self, database: str = "postgres") -> str:
        return postgres.url(self.postgres_port, self.postgres_password, database)

    def bus_url(self, number: int = 0) -> str:
        return redis_server.url(self.bus_port, number)

    def store_url(self, number: int = 0) -> str:
        return redis_server.url(self.store_port, number)

    @property
    def are_alive(self) -> bool:
        try:
            return psutil.Process(self.keeper_pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def stop(self, seconds: float = 20.0) -> None:
        """End the servers and wait until they are gone; their folder is removed."""
        try:
            keeper = psutil.Process(self.keeper_pid)
            keeper.terminate()
            keeper.wait(timeout=seconds)
        except psutil.NoSuchProcess:
            pass


def start(folder: Path, owner_pid: int, seconds: float = 60.0) -> Servers:
    """Run servers in ``folder`` (made, and removed at the end) for as long as the owning process lives."""
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".log").open("ab") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "lakefront.runtime.ephemeral", str(folder), str(owner_pid)],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + seconds
    while (servers := find(folder)) is None:
        if keeper.poll() is not None or time.monotonic() > deadline:
            keeper.terminate()
            raise RuntimeError(f"servers did not start: {folder.with_suffix('.log').read_text()[-4000:]}")
        time.sleep(0.05)
    return servers


def find(folder: Path) -> Servers | None:
    """The servers that run in a folder, None when there are none."""
    try:
        servers = Servers(**json.loads((folder / "servers.json").read_text()))
    except FileNotFoundError:
        return None
    return servers if servers.are_alive else None


def _launch(command: list[str], before: Callable[[], None], stop_signal: signal.Signals) -> subprocess.Popen[bytes]:
    def in_child() -> None:
        before()
        orphans.die_with_parent(stop_signal)

    return subprocess.Popen(command, preexec_fn=in_child, cwd="/", stdin=subprocess.DEVNULL)


def keep(folder: Path, owner_pid: int) -> None:
    """Run the servers until they are no longer wanted, then remove the folder."""
    wanted = True

    def stop(*_: object) -> None:
        nonlocal wanted
        wanted = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    password = secrets.token_urlsafe(12)
    data = folder / "postgres"
    children: list[subprocess.Popen[bytes]] = []
    try:
        postgres.create_cluster(data, password, sync=False)
        numbers = [ports.any_free() for _ in range(3)]
        servers = Servers(os.getpid(), numbers[0], password, numbers[1], numbers[2])
        children.append(
            _launch(
                postgres.server_command(data, servers.postgres_port, postgres.THROWAWAY_FLAGS),
                system_user.become, signal.SIGINT,
            )
        )  # fmt: skip
        for kind, port in (("bus", servers.bus_port), ("store", servers.store_port)):
            (folder / kind).mkdir()
            command = redis_server.command(kind, folder / kind, port, {"appendfsync": "no"})
            children.append(_launch(command, lambda: None, signal.SIGTERM))
        postgres.wait_until_ready(servers.database_url(), alive=children[0])
        redis_server.wait_until_ready(servers.bus_url(), alive=children[1])
        redis_server.wait_until_ready(servers.store_url(), alive=children[2])
        draft = folder / "servers.draft"
        draft.write_text(json.dumps(asdict(servers)))
        draft.replace(folder / "servers.json")
        while wanted and psutil.pid_exists(owner_pid) and all(child.poll() is None for child in children):
            time.sleep(0.2)
    finally:
        _end(children)
        shutil.rmtree(folder, ignore_errors=True)


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGINT)
    for child in children:
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))
