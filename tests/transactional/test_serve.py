"""The API as a process: what importing it loads, workers that share their metrics, and what kill -9 leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from lakefront.runtime import ports

HEAVY = ("feast", "pandas", "sklearn", "implicit", "pyspark", "lightgbm", "pyarrow", "sqlalchemy", "dagster", "duckdb")


def test_importing_the_api_loads_nothing_heavy() -> None:
    code = (
        "import sys, transactional.app as a; a.create_app(); a.create_app();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


@dataclass
class Server:
    """A running API with two workers."""

    process: subprocess.Popen[bytes]
    url: str

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()


def wait_for(what: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(httpx.HTTPError, psutil.NoSuchProcess):
            if found := what():
                return found
        time.sleep(0.1)
    raise TimeoutError(f"waited {seconds:g} s in vain")


@pytest.fixture
def server(
    new_database: Callable[..., str], migrated_template: str, bus_url: str, store_url: str, tmp_path: Path
) -> Iterator[Server]:
    port = ports.any_free()
    environment = os.environ | {
        "LAKEFRONT_HOME": str(tmp_path),
        "LAKEFRONT_DATABASE_URL": new_database(migrated_template),
        "LAKEFRONT_BUS_URL": bus_url,
        "LAKEFRONT_STORE_URL": store_url,
        "LAKEFRONT_API_PORT": str(port),
        "LAKEFRONT_API_WORKERS": "2",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "transactional.serve"], env=environment, stdout=log, stderr=log
        )
    started = Server(process, f"http://127.0.0.1:{port}")
    try:
        wait_for(lambda: httpx.get(f"{started.url}/health/ready").status_code == 200 and len(started.workers()) == 2)
        yield started
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait(5)
        if log_lines := [line for line in (tmp_path / "log").read_text().splitlines() if "unhandled" in line]:
            raise AssertionError(log_lines)


def answers(server: Server) -> bool:
    return httpx.get(f"{server.url}/api/v1/categories").status_code == 200


def test_a_killed_worker_is_replaced_and_metrics_count_for_all(server: Server) -> None:
    for _ in range(20):  # a connection each, so that both workers get some
        assert answers(server)
    victim = server.workers()[0]
    victim.kill()
    wait_for(lambda: len(server.workers()) == 2 and victim.pid not in {worker.pid for worker in server.workers()})
    assert wait_for(lambda: answers(server))
    text = httpx.get(f"{server.url}/metrics").text
    name = 'lakefront_http_request_seconds_count{method="GET",route="/api/v1/categories",status="200"}'
    counted = next(line for line in text.splitlines() if line.startswith(name))
    assert float(counted.rpartition(" ")[2]) >= 20


def test_no_worker_outlives_a_killed_server(server: Server) -> None:
    workers = server.workers()
    server.process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


def test_it_stops_when_asked(server: Server) -> None:
    workers = server.workers()
    server.process.terminate()
    assert server.process.wait(15) == 0
    _, alive = psutil.wait_procs(workers, timeout=2)
    assert alive == []
