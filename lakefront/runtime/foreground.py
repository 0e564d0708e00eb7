"""A demo at work in some terminal: it is noted in the data folder, so that ``lakefront down`` can end it before its servers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_PATIENCE_SECONDS = 60.0
"""It ends its pipeline first, and stops the servers that it started."""


@contextmanager
def noted(home: Path) -> Iterator[None]:
    """While this process is at work on a data folder."""
    home.mkdir(parents=True, exist_ok=True)
    note = _note(home)
    note.write_text(json.dumps({"pid": os.getpid(), "started": psutil.Process().create_time()}))
    try:
        yield
    finally:
        if _noted(home) in (None, os.getpid()):
            note.unlink(missing_ok=True)


def end(home: Path, say: Callable[[str], None] = lambda _: None, patience: float = _PATIENCE_SECONDS) -> bool:
    """Ask a demo that is at work to stop, and wait until it has. Returns whether there was one; never ends its caller."""
    pid = _noted(home)
    if pid is None or pid == os.getpid():
        return False
    say(f"ending the demo that runs ({pid})")
    try:
        demo = psutil.Process(pid)
        demo.terminate()
        demo.wait(patience)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        say("it does not end: it is killed")
        with suppress(psutil.NoSuchProcess):
            demo.kill()
    return True


def _note(home: Path) -> Path:
    return home / "demo.json"


def _noted(home: Path) -> int | None:
    """The process that is noted, None where there is none or its number has another bearer by now."""
    try:
        found = json.loads(_note(home).read_text())
        process = psutil.Process(found["pid"])
        if abs(process.create_time() - found["started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process.pid
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        pass
    return None
