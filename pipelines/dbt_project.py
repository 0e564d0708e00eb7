"""The dbt project as Dagster and the tests use it: its environment, its prebuilt manifest, its scratch file."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lakefront.settings import CHECKOUT, settings

PROJECT = CHECKOUT / "dbt"
MARTS_SCHEMA = "marts"


class DbtFailed(RuntimeError):
    """dbt ended with an error; the message is what it printed last."""


def executable() -> Path:
    """dbt of this environment."""
    return Path(sys.executable).parent / "dbt"


def folder() -> Path:
    """Where dbt writes: manifest, logs and scratch file, in the data folder."""
    path = settings().home / "dbt"
    path.mkdir(parents=True, exist_ok=True)
    return path


def scratch_file() -> Path:
    """The DuckDB file that the models are computed in. Nobody else reads it: the marts are published to Delta."""
    return folder() / "scratch.duckdb"


def environment() -> dict[str, str]:
    """What profiles.yml and sources.yml ask for."""
    return {
        "LAKEFRONT_DBT_FILE": str(scratch_file()),
        "LAKEFRONT_DBT_LAKE": settings().lake_uri,
        "DBT_LOG_PATH": str(folder() / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",  # what it says is read in logs
    }


def dbt(*arguments: str, extra_environment: Mapping[str, str] | None = None) -> str:
    """Run dbt and return what it printed. Raises DbtFailed."""
    done = subprocess.run(
        [
            str(executable()), "--no-use-colors", *arguments, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT),
            "--target-path", str(folder() / "target"),
        ],
        env=os.environ | environment() | dict(extra_environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise DbtFailed(done.stdout[-4000:])
    return done.stdout


def manifest() -> Path:
    """The manifest of the project as it is now, parsed once: Dagster's processes share it in the data folder."""
    path = folder() / "target" / "manifest.json"
    with (folder() / "manifest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists() or path.stat().st_mtime < _changed_at():
            dbt("parse")
            path.touch()
    return path


def _changed_at() -> float:
    """When a file of the project changed last."""
    return max(path.stat().st_mtime for path in PROJECT.rglob("*") if path.suffix in {".sql", ".yml"})
