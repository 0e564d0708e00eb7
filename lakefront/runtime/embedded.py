"""Become one of the embedded servers: ``python -m lakefront.runtime.embedded postgres|bus|store``.

Everything that a start after a crash needs is done here, so that any supervisor can restart a killed server: a stale pid
file is removed, a server that outlived its supervisor is stopped, backends of a killed one are waited for.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from lakefront.runtime import orphans, ports, postgres, redis_server, system_user
from lakefront.secrets import secrets
from lakefront.settings import Settings, settings


def run_postgres(chosen: Settings) -> None:
    """Become PostgreSQL."""
    data = chosen.home / "postgres"
    opened = postgres.prepare(data)
    for folder in opened:
        print(f"opened {folder} for traversal (o+x): PostgreSQL runs as the user {system_user.USER}", flush=True)
    postgres.create_cluster(data, secrets().database_password)
    postgres.clear_the_way(data)
    _wait_for_port(chosen.postgres_port)
    command = postgres.server_command(data, chosen.postgres_port)
    system_user.become()
    orphans.die_with_parent(signal.SIGINT)
    os.execv(command[0], command)  # noqa: S606


def run_redis(kind: str, chosen: Settings) -> None:
    """Become the bus or the store."""
    folder = chosen.home / kind
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = chosen.bus_port if kind == "bus" else chosen.store_port
    orphans.end(redis_server.running(folder), seconds=10, said=lambda text: print(f"{text} on port {port}", flush=True))
    _wait_for_port(port)
    command = redis_server.command(kind, folder, port)
    os.execv(command[0], command)  # noqa: S606


def _wait_for_port(port: int, seconds: float = 10.0) -> None:
    """A killed predecessor's port is free within moments; whoever else holds it is named by the server's own error."""
    deadline = time.monotonic() + seconds
    while not ports.is_free(port) and time.monotonic() < deadline:
        time.sleep(0.05)


if __name__ == "__main__":
    if sys.argv[1] == "postgres":
        run_postgres(settings())
    else:
        run_redis(sys.argv[1], settings())
