"""The command line, as far as nothing needs to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakefront.cli.main import COMMANDS, load
from lakefront.runtime import orphans, ports


def run(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LAKEFRONT_HOME": str(home), "COLUMNS": "160", "TERM": "dumb", **variables}
    command = [sys.executable, "-m", "lakefront.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_help_names_every_command_without_loading_any(tmp_path: Path) -> None:
    done = run("--help", home=tmp_path)
    assert done.returncode == 0
    for name, entry in COMMANDS.items():
        assert name in done.stdout
        assert entry.help in done.stdout


def test_the_command_itself_imports_nothing_heavy() -> None:
    code = (
        "import sys; import lakefront.cli.main, lakefront.cli.machine; print([m for m in {heavy} if m in sys.modules])"
    )
    heavy = ["pyspark", "feast", "pandas", "dagster", "fastapi", "lightgbm", "implicit", "deltalake"]
    done = subprocess.run(
        [sys.executable, "-c", code.format(heavy=heavy)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_of_the_table_loads(name: str) -> None:
    command = load(name, COMMANDS[name])
    assert command.name == name
    assert "install_completion" not in [each.name for each in command.params]


def test_status_of_an_empty_folder_says_how_to_start(tmp_path: Path) -> None:
    done = run("status", home=tmp_path)
    assert done.returncode == 0
    assert "lakefront up" in done.stdout


def test_a_bad_setting_is_named_with_what_is_wrong_about_it(tmp_path: Path) -> None:
    for command in ("up", "status"):
        done = run(command, home=tmp_path, LAKEFRONT_API_PORT="abc", LAKEFRONT_API_WORKERS="0")
        assert done.returncode == 2
        assert "LAKEFRONT_API_PORT is 'abc'" in done.stderr and "LAKEFRONT_API_WORKERS is '0'" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_data_folder_that_cannot_be_made_is_named_with_its_setting() -> None:
    done = run("up", home=Path("/proc/nowhere"))
    assert done.returncode == 1
    assert "/proc/nowhere" in done.stderr and "LAKEFRONT_HOME" in done.stderr


def test_lost_secrets_are_not_made_up_anew_beside_data_that_needs_the_old_ones(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18")
    done = run("up", home=tmp_path)
    assert done.returncode == 1
    assert "secrets.json is gone" in done.stderr
    assert not (tmp_path / "secrets.json").exists()


def test_a_database_that_does_not_answer_is_named_without_its_password_and_nothing_is_started(tmp_path: Path) -> None:
    address = f"postgresql://me:hidden@127.0.0.1:{ports.any_free()}/shop"
    code = (
        "from lakefront.runtime import machine; machine.FOREIGN_SECONDS = 0.5; from lakefront.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "up"], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "LAKEFRONT_HOME": str(tmp_path), "LAKEFRONT_DATABASE_URL": address},
    )  # fmt: skip
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr and "LAKEFRONT_DATABASE_URL" in done.stderr
    assert "hidden" not in done.stdout + done.stderr
    assert not (tmp_path / "run" / "supervisord.pid").exists()


def test_what_is_no_address_of_a_server_is_told_with_its_setting(tmp_path: Path) -> None:
    for setting in ("LAKEFRONT_DATABASE_URL", "LAKEFRONT_BUS_URL"):
        done = run("up", home=tmp_path, **{setting: "hidden"})
        assert done.returncode == 1
        assert setting in done.stderr and "hidden" not in done.stderr


def test_status_tells_of_processes_that_outlived_their_supervisor(tmp_path: Path) -> None:
    environment = {**os.environ, orphans.MARK: orphans.mark(tmp_path, "dagster-daemon")}
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], env=environment)
    try:
        done = run("status", home=tmp_path)
        assert done.returncode == 1
        assert f"dagster-daemon ({left.pid})" in done.stdout and "lakefront down" in done.stdout
        assert json.loads(run("status", "--json", home=tmp_path).stdout)["leftovers"] == [
            {"pid": left.pid, "name": "dagster-daemon"}
        ]
    finally:
        left.kill()
        left.wait()


def test_down_where_nothing_runs(tmp_path: Path) -> None:
    done = run("down", home=tmp_path / "not-there-yet")
    assert (done.returncode, done.stdout.strip()) == (0, "nothing was running")


def test_logs_of_an_unknown_process_names_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "relay.log").write_text("one\ntwo\nthree\n")
    done = run("logs", "rely", home=tmp_path)
    assert done.returncode == 2
    assert "relay" in done.stderr
    assert run("logs", "relay", "-n", "2", home=tmp_path).stdout == "two\nthree\n"


def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    done = run("dance", home=tmp_path)
    assert done.returncode == 2
    assert "dance" in done.stderr
