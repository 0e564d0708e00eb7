"""The API as a process of its own, with two workers, for tests that need what only a real server has."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from lakefront.runtime import ports

WORKERS = 2


@dataclass
class Server:
    """A running API."""

    process: subprocess.Popen[bytes]
    url: str
    home: Path
    environment: dict[str, str]

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()


def wait_for(what: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true answer. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(httpx.HTTPError, psutil.NoSuchProcess):
            if found := what():
                return found
        time.sleep(0.1)
    raise TimeoutError(f"waited {seconds:g} s in vain")


@contextmanager
def serving(home: Path, database_url: str, bus_url: str, store_url: str, **variables: str) -> Iterator[Server]:
    """A server on these stores until the block ends. Raises AssertionError at the end when it met an error that nothing
    expected."""
    port = ports.any_free()
    environment = os.environ | {
        "LAKEFRONT_HOME": str(home),
        "LAKEFRONT_DATABASE_URL": database_url,
        "LAKEFRONT_BUS_URL": bus_url,
        "LAKEFRONT_STORE_URL": store_url,
        "LAKEFRONT_API_PORT": str(port),
        "LAKEFRONT_API_WORKERS": str(WORKERS),
        **variables,
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "transactional.serve"], env=environment, stdout=log, stderr=log
        )
    started = Server(process, f"http://127.0.0.1:{port}", home, environment)
    try:
        wait_for(
            lambda: httpx.get(f"{started.url}/health/ready").status_code == 200 and len(started.workers()) == WORKERS
        )
        yield started
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait(5)
        if log_lines := [line for line in (home / "log").read_text().splitlines() if "unhandled" in line]:
            raise AssertionError(log_lines)
