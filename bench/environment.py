"""Servers and processes of a benchmark: durable like the real ones, in a temporary folder, with their CPU time told apart."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from lakefront.runtime import orphans, ports, postgres, redis_server, system_user


@dataclass
class Environment:
    """Addresses of the benchmark's servers and the processes that belong to it."""

    home: Path
    database_url: str
    bus_url: str
    store_url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of Lakefront's processes in this benchmark."""
        own = {
            "LAKEFRONT_HOME": str(self.home),
            "LAKEFRONT_DATABASE_URL": self.database_url,
            "LAKEFRONT_BUS_URL": self.bus_url,
            "LAKEFRONT_STORE_URL": self.store_url,
            "LAKEFRONT_SIMULATION": "true",
            "LAKEFRONT_LOG_LEVEL": "INFO",
        }
        return {**os.environ, **own, **more}

    def start(self, name: str, arguments: Sequence[str], **more: str) -> subprocess.Popen[bytes]:
        """Start one of Lakefront's processes; its output goes to a file in the folder."""
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments], env=self.variables(**more), stdout=log, stderr=log,
                preexec_fn=orphans.die_with_parent,
            )  # fmt: skip
        return self.processes[name]

    def stop(self, name: str) -> None:
        """End one process and wait for it."""
        process = self.processes.pop(name)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        process.kill()

    @contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Processes stand still, with their children, so that what is measured meanwhile has the machine to itself."""
        members = [
            each
            for process in (psutil.Process(self.processes[name].pid) for name in names)
            for each in (process, *process.children(recursive=True))
        ]
        try:
            for each in members:
                each.suspend()
            yield
        finally:
            for each in members:
                each.resume()

    def cpu_seconds(self, *names: str) -> float:
        """CPU time so far of the named processes, by default all, with their children."""
        total = 0.0
        for name in names or tuple(self.processes):
            process = psutil.Process(self.processes[name].pid)
            for each in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = each.cpu_times()
                    # PostgreSQL's backends end with their connections; their time then counts as the parent's children's.
                    total += times.user + times.system + times.children_user + times.children_system
        return total

    def wait_for(self, address: str, seconds: float = 60.0) -> None:
        """Wait until an HTTP address answers. Raises TimeoutError with what the processes said last."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310
                if answer.status < 400:
                    return
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text()[-1500:] for path in self.home.glob("*.log"))
                raise TimeoutError(f"{address} does not answer after {seconds:g} s:\n{logs}")
            time.sleep(0.1)


def _launch(command: list[str], log: Path, as_system_user: bool) -> subprocess.Popen[bytes]:
    def in_child() -> None:
        if as_system_user:
            system_user.become()
        orphans.die_with_parent()

    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=in_child, cwd="/")


@contextmanager
def environment() -> Iterator[Environment]:
    """A migrated PostgreSQL and two Redis with the durability of production; everything is gone afterwards."""
    from transactional.platform.migrate import upgrade

    with tempfile.TemporaryDirectory(prefix="lakefront-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        password = secrets.token_urlsafe(12)
        postgres.create_cluster(home / "postgres", password)
        numbers = [ports.any_free() for _ in range(3)]
        addresses = Environment(
            home, postgres.url(numbers[0], password), redis_server.url(numbers[1]), redis_server.url(numbers[2])
        )
        try:
            addresses.processes["postgres"] = _launch(
                postgres.server_command(home / "postgres", numbers[0]), home / "postgres.log", True
            )
            for kind, port in (("bus", numbers[1]), ("store", numbers[2])):
                (home / kind).mkdir()
                command = redis_server.command(kind, home / kind, port)
                addresses.processes[kind] = _launch(command, home / f"{kind}.log", False)
                redis_server.wait_until_ready(redis_server.url(port))
            postgres.wait_until_ready(addresses.database_url.rsplit("/", 1)[0] + "/postgres")
            postgres.ensure_database(addresses.database_url)
            upgrade(addresses.database_url)
            yield addresses
        finally:
            for name in reversed(list(addresses.processes)):
                addresses.stop(name)
