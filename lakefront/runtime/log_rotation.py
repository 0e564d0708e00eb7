"""Keeps the logs of all processes short: a file above the limit is copied aside and cut.

Processes append to their files, so cutting one does not disturb its writer. It imports next to nothing, to stay small.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

LIMIT_BYTES = 50_000_000
KEPT = 2
SECONDS_BETWEEN = 20.0


def rotate(path: Path, limit: int = LIMIT_BYTES, kept: int = KEPT) -> bool:
    """Copy a log that is too long to ``name.log.1`` (older ones move up, the oldest goes) and cut it."""
    if path.stat().st_size <= limit:
        return False
    for number in range(kept - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    with path.open("r+") as log:
        log.truncate(0)
    return True


def main() -> None:
    """Look at all logs of the data folder, again and again."""
    folder = Path(os.environ["LAKEFRONT_HOME"]) / "logs"
    while True:
        for path in folder.glob("*.log"):
            if rotate(path):
                said = {"event": "rotated", "file": path.name, "process": "log-rotation", "level": "info"}
                print(json.dumps({**said, "timestamp": datetime.now(UTC).isoformat()}), flush=True)
        time.sleep(SECONDS_BETWEEN)


if __name__ == "__main__":
    main()
