"""No process outlives the one that should look after it.

On Linux a child asks the kernel for a signal when its parent dies; whatever does not heed it, and elsewhere everything, is
found by the mark in its environment and ended: by the guard, or before its successor starts.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

MARK = "LAKEFRONT_PROCESS"
"""Environment variable that names the process of the Procfile that a process belongs to, with the data folder."""

_PR_SET_PDEATHSIG = 1


def die_with_parent(stop_signal: signal.Signals = signal.SIGTERM) -> None:
    """Ask for ``stop_signal`` when the parent dies (Linux). Call it after changing user, which clears the wish.

    The parent is the thread that started us, so call it only where that thread lives as long as its process.
    """
    hear(stop_signal)
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(stop_signal))
    if os.getppid() != parent:  # it died in between
        os.kill(os.getpid(), stop_signal)


def hear(stop_signal: signal.Signals) -> None:
    """Let a signal end this process, and what it becomes, although whoever started us ignores or blocks it.

    Both are inherited: a shell ignores SIGINT for what it runs in the background, and Dagster then SIGTERM too.
    """
    if signal.getsignal(stop_signal) == signal.SIG_IGN:
        signal.signal(stop_signal, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [stop_signal])


def everyone() -> Iterator[psutil.Process]:
    """All processes, looked up anew: psutil's own iterator remembers a number's former bearer, and then spares the new one."""
    for pid in psutil.pids():
        try:
            yield psutil.Process(pid)
        except psutil.NoSuchProcess:
            continue


def mark(home: Path, process: str) -> str:
    """The value of the mark of one process of one data folder."""
    return f"{process}@{home}"


def name_of(process: psutil.Process) -> str:
    """The process of the Procfile that a process belongs to; empty where it has no mark, or has written over it."""
    return process.environ().get(MARK, "").partition("@")[0]


def leftovers(home: Path, process: str | None = None) -> list[psutil.Process]:
    """Living processes that carry the mark of a data folder (and process), without this one and those above it."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for candidate in everyone():
        try:
            value = candidate.environ().get(MARK, "") if candidate.pid not in own else ""
        except (psutil.Error, OSError):  # gone, or another user's
            continue
        name, _, folder = value.partition("@")
        if folder == str(home) and process in (None, name):
            found.append(candidate)
    return found


def end(
    processes: list[psutil.Process], seconds: float = 8.0, stop_signal: signal.Signals = signal.SIGTERM,
    said: Callable[[str], None] = lambda _: None,
) -> None:  # fmt: skip
    """Ask processes to stop, top ones first so that they look after their children; kill what is left after ``seconds``."""
    numbers = {process.pid for process in processes}
    for process in processes:
        try:
            if process.ppid() not in numbers:
                said(f"ending leftover process {process.pid} ({process.name()})")
                process.send_signal(stop_signal)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=5)


def is_alive(pid: int) -> bool:
    """False for a process that has ended, even where its new parent has not taken note of it yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
