"""The storefront API's process: granian with a few workers. Run as ``python -m transactional.serve``."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lakefront.settings import settings


def metrics_folder() -> Path:
    """Where the workers keep their Prometheus figures, so that any of them can answer for all."""
    return settings().home / "run" / "metrics-api"


def main() -> None:
    """Serve until stopped. Workers that die are started again; all die with this process."""
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels
    from granian.server import Server

    chosen = settings()
    folder = metrics_folder()
    shutil.rmtree(folder, ignore_errors=True)  # figures of an earlier run belong to workers that are no more
    folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # before any worker imports prometheus_client
    os.environ["LAKEFRONT_SERVER_PROCESS"] = str(os.getpid())
    Server(
        "transactional.app:create_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=chosen.host,
        port=chosen.api_port,
        workers=chosen.api_workers,
        loop=Loops.uvloop,
        websockets=True,
        respawn_failed_workers=True,
        respawn_interval=0.2,
        workers_kill_timeout=10,
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main()
