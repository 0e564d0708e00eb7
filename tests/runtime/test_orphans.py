"""Nothing outlives the one that should look after it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lakefront.runtime import orphans

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {child!r}])
print(child.pid, flush=True)
time.sleep(60)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"


def gone(pid: int, seconds: float = 10.0) -> bool:
    """True when the process ends in time (one that nobody waits for counts as ended)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def start(code: str, home: Path, name: str) -> subprocess.Popen[str]:
    environment = {**os.environ, orphans.MARK: orphans.mark(home, name)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_child_dies_with_its_killed_parent_though_it_was_started_to_ignore_signals() -> None:
    child = (
        "import signal, time; from lakefront.runtime import orphans; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " orphans.die_with_parent(); print('on', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.format(child=child)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        said = {parent.stdout.readline().strip(), parent.stdout.readline().strip()}
        pid = int((said - {"on"}).pop())
        assert psutil.pid_exists(pid)
        parent.kill()
    assert gone(pid)


def test_leftovers_of_one_process_are_found_with_their_children_and_ended(tmp_path: Path) -> None:
    code = PARENT.format(child="import time; time.sleep(60)")
    ours, other = start(code, tmp_path, "api"), start("import time; time.sleep(60)", tmp_path, "relay")
    try:
        assert ours.stdout is not None
        child = int(ours.stdout.readline())
        assert {each.pid for each in orphans.leftovers(tmp_path, "api")} == {ours.pid, child}
        assert {each.pid for each in orphans.leftovers(tmp_path)} == {ours.pid, child, other.pid}
        assert orphans.leftovers(tmp_path / "another") == []
        ours.kill()  # as kill -9 does: the child is left over
        ours.wait()
        orphans.end(orphans.leftovers(tmp_path, "api"))
        assert gone(child)
        assert other.poll() is None, "another process's were not meant"
    finally:
        for process in (ours, other):
            process.kill()
            process.communicate()


def test_what_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = start(STUBBORN, tmp_path, "worker")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        said: list[str] = []
        orphans.end(orphans.leftovers(tmp_path), seconds=0.3, said=said.append)
        assert gone(process.pid, seconds=1), "it ignores SIGTERM and sleeps for a minute"
        assert str(process.pid) in said[0]
    finally:
        process.kill()
        process.communicate()
