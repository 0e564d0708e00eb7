"""What Spark, dbt and libraries print during a run goes to a log; what we tell of the run stays on the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def engines_write_to(path: Path) -> Iterator[TextIO]:
    """Let this process and those it starts write to a file, for as long as the block lasts; yields where they wrote before.

    The descriptors themselves are turned round: Java and dbt know nothing of ``sys.stdout``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    before = os.dup(1), os.dup(2)
    try:
        with path.open("ab") as log, os.fdopen(os.dup(1), "w", buffering=1) as terminal:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, kept in enumerate(before, start=1):
            os.dup2(kept, number)
            os.close(kept)
