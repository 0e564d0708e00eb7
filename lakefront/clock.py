"""The one clock: business time is real time plus an offset that only simulation mode may move, and only forward.

The offset stands in PostgreSQL (table ``clock``). A process holds it in a ``Clock`` and refreshes it: the API and its workers
poll while simulation mode is on. Business time enters SQL as a parameter, never as ``now()``. Tokens, rate limits, timeouts
and latency figures use real time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

CLOCK_POLL_SECONDS = 0.1
"""How often a process in simulation mode reads the offset; who moves the clock waits a few of these before going on."""


class Clock:
    """Business time of this process."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self._offset = offset

    @property
    def offset(self) -> timedelta:
        return self._offset

    def now(self) -> datetime:
        """Business time, UTC."""
        return real_now() + self._offset

    def set_offset(self, offset: timedelta) -> None:
        """Take over the offset read from PostgreSQL. Raises ValueError when it would move time backward."""
        if offset < self._offset:
            raise ValueError(f"the clock only moves forward: {self._offset} is already in force, not {offset}")
        self._offset = offset


def real_now() -> datetime:
    """Real time, UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds, as events and answers carry it: 2026-01-02T03:04:05.000006Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
