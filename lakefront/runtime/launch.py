"""What the supervisor runs for each line of the Procfile: ``python -m lakefront.runtime.launch NAME``.

It asks the kernel for a signal when the supervisor dies, sends its output to the log file, ends what an earlier, killed run
of the same process left behind, and then becomes the command of the Procfile. The log is a plain file, not a pipe through
the supervisor: a busy API would cost the supervisor a fifth of a core. The environment, with the mark by which a leftover
is known, is what the supervisor gave (``processes.environment``, ``supervisor.configuration``).
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from lakefront.runtime import orphans
from lakefront.runtime.processes import CHECKOUT, Process, log_file, procfile


def send_output_to_log(home: Path, name: str) -> None:
    """Let this process, and what it becomes, write to its log file. Appending, so that rotation may cut the file."""
    path = log_file(home, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def say(text: str) -> None:
    """A line in the log of the process that is about to be."""
    print(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} launch: {text}", flush=True)


def launch(process: Process, home: Path) -> None:
    """Become the process. Returns only by an exception."""
    send_output_to_log(home, process.name)
    orphans.die_with_parent(process.stop_signal)
    orphans.end(orphans.leftovers(home, process.name), stop_signal=process.stop_signal, said=say)
    arguments = process.arguments(dict(os.environ))
    say(f"starting {' '.join(arguments)}")
    os.chdir(CHECKOUT)
    os.execvpe(arguments[0], arguments, os.environ)  # noqa: S606 - it is our own command


if __name__ == "__main__":
    by_name = {each.name: each for each in procfile()}
    launch(by_name[sys.argv[1]], Path(os.environ["LAKEFRONT_HOME"]))
