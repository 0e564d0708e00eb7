"""The command line, as far as nothing needs to run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakefront.cli.main import COMMANDS, load


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LAKEFRONT_HOME": str(home), "COLUMNS": "160", "TERM": "dumb"}
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
    assert load(name, COMMANDS[name]).name == name


def test_status_of_an_empty_folder_says_how_to_start(tmp_path: Path) -> None:
    done = run("status", home=tmp_path)
    assert done.returncode == 0
    assert "lakefront up" in done.stdout


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
