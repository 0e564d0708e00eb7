"""A circuit breaker: after 5 failures in a row calls are refused at once, after 60 s one trial call is let through."""

from __future__ import annotations

import time
from collections.abc import Callable


class CircuitOpen(RuntimeError):
    """The other side failed too often just now; the call was not made."""


class CircuitBreaker:
    """State of one other party, per process. Use ``check`` before the call, then ``succeeded`` or ``failed``."""

    def __init__(
        self,
        name: str,
        *,
        failures_to_open: int = 5,
        seconds_open: float = 60.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._failures_to_open = failures_to_open
        self._seconds_open = seconds_open
        self._now = now
        self._failures = 0
        self._opened_at: float | None = None

    @property
    def is_open(self) -> bool:
        """True while calls are refused."""
        return self._opened_at is not None and self._now() - self._opened_at < self._seconds_open

    def check(self) -> None:
        """Raise ``CircuitOpen`` while open. When the time is over, lets one trial through and stays shut for the others."""
        if self._opened_at is None:
            return
        if self.is_open:
            raise CircuitOpen(
                f"{self.name} failed {self._failures} times in a row; next try in {self._seconds_open:g} s"
            )
        self._opened_at = self._now()  # half open: this caller tries, the others wait for its outcome

    def succeeded(self) -> None:
        self._failures = 0
        self._opened_at = None

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self._failures_to_open:
            self._opened_at = self._now()
