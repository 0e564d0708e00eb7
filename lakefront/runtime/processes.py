"""The processes of Lakefront, as the ``Procfile`` lists them, and what a supervisor must know beside their commands.

Every process passes through here when it starts, so this page imports nothing that takes time (no settings, no pydantic).
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakefront.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]

SERVERS = ("postgres", "bus", "store")
"""Embedded servers: started first and stopped last; left out where a setting names another server."""

_URLS = {"postgres": "database_url", "bus": "bus_url", "store": "store_url"}


@dataclass(frozen=True)
class Process:
    """One line of the Procfile."""

    name: str
    command: str

    @property
    def is_server(self) -> bool:
        return self.name in SERVERS

    @property
    def is_late(self) -> bool:
        """Dagster takes a dozen seconds of CPU to start: it does so when the shop is open."""
        return self.name.startswith("dagster")

    @property
    def stop_signal(self) -> signal.Signals:
        # SIGTERM would make PostgreSQL wait for its clients to leave.
        return signal.SIGINT if self.name == "postgres" else signal.SIGTERM

    @property
    def stop_seconds(self) -> int:
        return 60 if self.is_server else 15

    def arguments(self, environment: dict[str, str]) -> list[str]:
        """The command, with variables filled in and ``python`` meaning the Python we run on."""
        parts = [_fill_in(part, environment) for part in shlex.split(self.command)]
        return [sys.executable if part == "python" else part for part in parts]


def procfile(path: Path = CHECKOUT / "Procfile") -> list[Process]:
    """All processes of a Procfile, in its order."""
    found = []
    for line in path.read_text().splitlines():
        name, separator, command = line.partition(":")
        if separator and not line.lstrip().startswith("#"):
            found.append(Process(name.strip(), command.strip()))
    return found


def wanted(wished: Settings, path: Path = CHECKOUT / "Procfile") -> list[Process]:
    """The processes to run on this machine: all but the servers that settings place elsewhere."""
    return [process for process in procfile(path) if not (process.is_server and getattr(wished, _URLS[process.name]))]


def environment(chosen: Settings) -> dict[str, str]:
    """The environment of all processes: ours, the data folder, and the addresses as variables for command lines."""
    scripts = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "LAKEFRONT_HOME": str(chosen.home),
        "LAKEFRONT_HOST": chosen.host,
        "LAKEFRONT_DAGSTER_PORT": str(chosen.dagster_port),
        "LAKEFRONT_DAGSTER_CODE_PORT": str(chosen.dagster_code_port),
        "LAKEFRONT_DAGSTER_WORKSPACE": str(chosen.home / "dagster" / "workspace.yaml"),
        "DAGSTER_HOME": str(chosen.home / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }


def log_file(home: Path, process: str) -> Path:
    """Where a process writes what it says."""
    return home / "logs" / f"{process}.log"


def _fill_in(text: str, values: dict[str, str]) -> str:
    for name in sorted(values, key=len, reverse=True):
        if name.startswith("LAKEFRONT_"):
            text = text.replace(f"${name}", values[name])
    return text
