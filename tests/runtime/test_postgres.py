"""The embedded PostgreSQL: deep folders, half-made folders, kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from lakefront.runtime import orphans, ports, postgres
from lakefront.secrets import load_secrets


@contextmanager
def server(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """What the supervisor runs; a fast shutdown at the end."""
    environment = {**os.environ, "LAKEFRONT_HOME": str(home), "LAKEFRONT_POSTGRES_PORT": str(port)}
    with (home / "postgres.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lakefront.runtime.embedded", "postgres"], env=environment, stdout=log, stderr=log
        )
    try:
        postgres.wait_until_ready(address(home, port), 60, alive=process)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def address(home: Path, port: int) -> str:
    return postgres.url(port, load_secrets(home).database_password, "postgres")


@pytest.fixture
def deep_home(tmp_path: Path) -> Path:
    """A data folder whose path is longer than any Unix socket's may be."""
    folder = tmp_path / "a-deep-folder" / ("with-a-long-name-" * 8) / "home"
    folder.mkdir(parents=True)
    return folder


def test_kill_9_loses_nothing_and_the_next_start_works(deep_home: Path) -> None:
    port = ports.any_free()
    data = deep_home / "postgres"
    with server(deep_home, port) as process:
        with psycopg.connect(address(deep_home, port), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (id int)")
            connection.execute("INSERT INTO kept VALUES (1)")
            assert postgres.running_postmaster(data) is not None
            backend = connection.info.backend_pid
            process.kill()
            process.wait()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(address(deep_home, port), connect_timeout=2)
    assert (data / "postmaster.pid").exists(), "a killed server leaves its pid file"
    with server(deep_home, port):
        assert not orphans.is_alive(backend) or psutil.Process(backend).name() != "postgres"
        with psycopg.connect(address(deep_home, port)) as connection:
            assert connection.execute("SELECT id FROM kept").fetchall() == [(1,)]


def test_a_pid_file_whose_number_belongs_to_another_program_does_not_deceive(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    assert postgres.running_postmaster(data) is None
    postgres.clear_the_way(data)
    assert not (data / "postmaster.pid").exists()


def test_a_half_made_data_folder_is_made_afresh(tmp_path: Path) -> None:
    draft = tmp_path / "postgres.draft"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    assert postgres.create_cluster(tmp_path / "postgres", "secret", sync=False)
    assert not draft.exists()
    assert not postgres.create_cluster(tmp_path / "postgres", "secret"), "it is there already"


def test_data_of_another_version_is_refused_in_words(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(postgres.PostgresError, match="belongs to PostgreSQL 16"):
        postgres.create_cluster(data, "secret")


def test_a_password_is_needed(database_url: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(database_url, password="guessed")


def test_waiting_ends_when_the_server_has_ended() -> None:
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    ended.wait()
    began = time.monotonic()
    with pytest.raises(postgres.PostgresError, match="status 3"):
        postgres.wait_until_ready(postgres.url(ports.any_free(), "x"), 30, alive=ended)
    assert time.monotonic() - began < 10
