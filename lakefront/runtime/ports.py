"""Ports: which are free, and which of those wished for to take."""

from __future__ import annotations

import socket
from collections.abc import Collection


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """True when a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def any_free(host: str = "127.0.0.1") -> int:
    """A port that the system says is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def next_free(wished: int, host: str = "127.0.0.1", *, taken: Collection[int] = (), tries: int = 200) -> int:
    """The wished port, or the next free one above it that is not in ``taken``."""
    for port in range(wished, min(wished + tries, 65536)):
        if port not in taken and is_free(port, host):
            return port
    raise OSError(f"no free port between {wished} and {wished + tries - 1} on {host}")
