"""A demo at work is ended by `lakefront down`, with all that it has started."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lakefront.demo import programs
from lakefront.runtime import foreground

AT_WORK = """
import sys, time
from pathlib import Path
from lakefront.runtime import foreground
with foreground.noted(Path(sys.argv[1])):
    print("noted", flush=True)
    time.sleep(60)
"""


def test_a_demo_at_work_is_ended_and_waited_for(tmp_path: Path) -> None:
    demo = subprocess.Popen([sys.executable, "-c", AT_WORK, str(tmp_path)], stdout=subprocess.PIPE)
    assert demo.stdout is not None and demo.stdout.readline() == b"noted\n"
    said: list[str] = []
    assert foreground.end(tmp_path, said.append)
    assert said == [f"ending the demo that runs ({demo.pid})"]
    assert not psutil.pid_exists(demo.pid) or psutil.Process(demo.pid).status() == psutil.STATUS_ZOMBIE
    demo.wait(5)
    assert not foreground.end(tmp_path)


def test_another_process_with_its_number_is_let_be(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        note = {"pid": other.pid, "started": psutil.Process(other.pid).create_time() - 100}
        (tmp_path / "demo.json").write_text(json.dumps(note))
        assert not foreground.end(tmp_path)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("note", ["", "{}", "[1]", '{"pid": "x", "started": 0}'])
def test_a_note_that_says_nothing_is_none(tmp_path: Path, note: str) -> None:
    (tmp_path / "demo.json").write_text(note)
    assert not foreground.end(tmp_path)


def test_a_demo_does_not_end_itself_and_takes_its_note_along(tmp_path: Path) -> None:
    with foreground.noted(tmp_path):
        assert json.loads((tmp_path / "demo.json").read_text())["pid"] == os.getpid()
        assert not foreground.end(tmp_path)
    assert not (tmp_path / "demo.json").exists()


async def test_who_stops_waiting_for_a_program_ends_what_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Spark's Java, which does not heed the signal that its parent gets."""
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    parent = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]]); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{parent}" "{stubborn}"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(programs.sys, "executable", str(fake))
    said: list[str] = []
    running = asyncio.create_task(programs.lakefront("pipeline", "run", log=tmp_path / "log", say=said.append))
    deadline = time.monotonic() + 20
    while "up" not in said and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    child = int(next(line for line in said if line != "up"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the grandchild runs on"
        await asyncio.sleep(0.05)
