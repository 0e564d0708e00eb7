"""The guard ends what a killed supervisor left behind and what does not heed the request to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lakefront.runtime import orphans

SUPERVISOR = """
import os, subprocess, sys, time
from lakefront.runtime import orphans
home = os.environ["LAKEFRONT_HOME"]
def start(name, code):
    marked = {{**os.environ, orphans.MARK: f"{{name}}@{{home}}"}}
    return subprocess.Popen([sys.executable, "-c", code], env=marked, stdout=subprocess.PIPE)
children = [start("dagster-code", {stubborn!r}), start("guard", {guard!r})]
for child in children:
    child.stdout.readline()
print(*(child.pid for child in children), flush=True)
time.sleep(120)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(120)"
)
GUARD = """
import os, pathlib, sys
from lakefront.runtime import guard
supervisor = os.getppid()
print('on', flush=True)
sys.stdout = sys.stderr  # the parent's end of the pipe dies with it
guard.SECONDS_BETWEEN = 0.1
guard.watch(pathlib.Path(os.environ["LAKEFRONT_HOME"]), supervisor, patience=0.5)
"""


def start(home: Path) -> tuple[subprocess.Popen[str], int, int]:
    """A parent like a supervisor, with the pids of a process that ignores requests to stop and of the guard."""
    home.mkdir()
    parent = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR.format(stubborn=STUBBORN, guard=GUARD)],
        env={**os.environ, "LAKEFRONT_HOME": str(home)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    stubborn, guard = (int(pid) for pid in parent.stdout.readline().split())
    return parent, stubborn, guard


def gone(pid: int, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while orphans.is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not orphans.is_alive(pid)


def test_what_ignores_the_death_of_its_supervisor_is_ended_and_the_guard_with_it(tmp_path: Path) -> None:
    parent, stubborn, guard = start(tmp_path / "home")
    with parent:
        parent.kill()
    assert gone(stubborn)
    assert gone(guard)


def test_a_guard_that_is_asked_to_stop_while_the_supervisor_lives_ends_nothing(tmp_path: Path) -> None:
    parent, stubborn, guard = start(tmp_path / "home")
    with parent:
        os.kill(guard, signal.SIGTERM)
        time.sleep(1.5)
        assert not orphans.is_alive(guard)
        assert orphans.is_alive(stubborn)
        os.kill(stubborn, signal.SIGKILL)
        parent.kill()
