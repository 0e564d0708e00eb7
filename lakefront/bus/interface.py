"""The bus as the rest of Lakefront sees it. An entry is a pack: up to 100 envelopes of one partition.

Two streams: ``commerce`` carries the outbox (ordered by position), ``clicks`` carries clickstream and online decisions.
A pack's offset is one integer that grows within a partition and leaves room for the place of an envelope in its pack,
so that (stream, partition, offset + place) names one envelope for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

COMMERCE = "commerce"
CLICKS = "clicks"
STREAMS = (COMMERCE, CLICKS)
PACK_LIMIT = 100
"""Most envelopes in one pack; an offset keeps 7 bits (128) for the place in the pack."""


class BusError(RuntimeError):
    """The bus did not take or give what was asked in time. Nothing was accepted, or the sender must send again."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Envelopes of one partition, as newline-joined JSON. ``last_position`` is set for outbox events."""

    stream: str
    partition: int
    payload: bytes
    count: int
    first_position: int | None = None
    last_position: int | None = None
    replay_for: str = ""
    """Set on replayed dead letters: the one consumer that they are for; the others have processed them long ago."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A pack as read from the bus, with its offset there."""

    stream: str
    partition: int
    offset: int
    payload: bytes
    count: int
    first_position: int | None = None
    """Outbox position of the first envelope; the others follow without a gap. None on the clicks stream."""
    replay_for: str = ""

    def is_for(self, consumer: str) -> bool:
        """False for replayed dead letters of another consumer, which are to be passed over."""
        return not self.replay_for or self.replay_for == consumer


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An envelope that a consumer could not process, and why."""

    id: str
    stream: str
    partition: int
    offset: int
    payload: bytes
    reason: str
    consumer: str
    parked_at: datetime


class Bus(Protocol):
    """What an implementation offers. All calls raise ``BusError`` when the bus is away or late."""

    async def generation(self) -> str:
        """Identity of the bus's data; it changes when the bus has lost its data."""
        ...

    async def publish(self, packs: Sequence[Pack]) -> list[int]:
        """Append packs, in order, durably; returns their offsets. Either all are on the bus or BusError is raised."""
        ...

    async def read(self, after: Mapping[tuple[str, int], int], *, limit: int, wait_ms: int) -> list[Entry]:
        """Entries behind the given offsets, at most ``limit`` packs a partition; waits ``wait_ms`` for the first."""
        ...

    async def last_position(self, partition: int) -> int:
        """Greatest outbox position on the bus in a partition of the commerce stream; 0 when there is none."""
        ...

    async def trim(self, stream: str, partition: int, through: int) -> None:
        """Forget entries up to and including an offset, but always keep the newest entry."""
        ...

    async def park(
        self, stream: str, partition: int, offset: int, payload: bytes, reason: str, *, consumer: str = ""
    ) -> None:
        """Put what cannot be processed into the dead letter stream; the same letter again changes nothing."""
        ...

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The oldest parked envelopes."""
        ...

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        """Put parked envelopes back on the bus and forget them, both or neither; returns how many."""
        ...

    async def request_resend(self, partition: int, after: int) -> None:
        """Ask the relay to send the outbox events of a partition again, from behind a position."""
        ...

    async def take_resend_requests(self) -> dict[int, int]:
        """The open requests, partition to position, which are thereby closed; who asked asks again if it must."""
        ...

    async def hold_lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew a lease; False while another holds it. It ends by itself when its holder dies."""
        ...

    async def release_lease(self, name: str, holder: str) -> None:
        """Give a lease back at once; nothing happens where another holds it."""
        ...

    async def close(self) -> None: ...
