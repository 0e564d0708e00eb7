"""Other commands of ``lakefront``, run as programs of their own, with what they say streamed to whoever listens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from lakefront.demo.stage import StepFailed
from lakefront.runtime import orphans
from lakefront.settings import data_folder

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_OF_A_TABLE = re.compile(r"\s*[\u2500-\u257f]")
_NICENESS = "10"


async def lakefront(*arguments: str, log: Path, say: Callable[[str], None], niced: bool = False) -> list[str]:
    """Run ``lakefront ARGUMENTS`` to its end and return the last lines it said. Raises StepFailed when it failed.

    Everything it says goes to ``log`` too. ``niced`` gives way to the shop.
    """
    command = [sys.executable, "-m", "lakefront.cli", *arguments]
    if niced:
        command = ["nice", "-n", _NICENESS, *command]
    log.parent.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, limit=2**22, start_new_session=True,
        env={**os.environ, orphans.MARK: orphans.mark(data_folder(), "demo")},
    )  # fmt: skip
    last: deque[str] = deque(maxlen=15)
    try:
        if process.stdout is None:
            raise RuntimeError("a subprocess without the pipe that was asked for")
        with log.open("a") as file:
            async for raw in process.stdout:
                line = _COLOURS.sub("", raw.decode(errors="replace")).rstrip()
                file.write(line + "\n")
                if line.strip():
                    say(line.strip())
                if line.strip() and not _OF_A_TABLE.match(line):
                    last.append(line)
        status = await process.wait()
    except asyncio.CancelledError:
        await _end(process)
        raise
    if status != 0:
        said = " | ".join(line.strip() for line in list(last)[-4:])
        raise StepFailed(f"`lakefront {' '.join(arguments)}` left with {status}: {said}", f"read {log}")
    return list(last)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop a program that nobody waits for any more, and what it has started: Spark's Java may outlive who started it."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
