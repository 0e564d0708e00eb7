"""The bus as the rest of Lakefront sees it. An entry is a pack: up to 100 envelopes of one partition.

Two streams: ``commerce`` carries the outbox (ordered by position), ``clicks`` carries clickstream and online decisions.
A pack's offset is one integer that grows within a partition and leaves room for the place of an envelope in its pack, so that
(stream, partition, offset + place) names one envelope for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Entry:
    """A pack as read from the bus, with its offset there."""

    stream: str
    partition: int
    offset: int
    payload: bytes
    count: int


class Bus(Protocol):
    """What an implementation offers. All calls raise ``BusError`` when the bus is away or late."""

    async def generation(self) -> str:
        """Identity of the bus's data; it changes when the bus has lost its data."""
        ...

    async def publish(self, packs: Sequence[Pack]) -> list[int]:
        """Append packs, in order, durably; returns their offsets. Either all are on the bus or BusError is raised."""
        ...

    async def read(self, after: Mapping[tuple[str, int], int], *, limit: int, wait_ms: int) -> list[Entry]:
        """Entries behind the given offsets, at most ``limit`` packs a partition; waits up to ``wait_ms`` for the first."""
        ...

    async def last_position(self, partition: int) -> int:
        """Greatest outbox position on the bus in a partition of the commerce stream; 0 when there is none."""
        ...

    async def trim(self, stream: str, partition: int, through: int) -> None:
        """Forget entries up to and including an offset, but always keep the newest entry."""
        ...

    async def park(self, stream: str, partition: int, offset: int, payload: bytes, reason: str) -> None:
        """Put what cannot be processed into the dead letter stream."""
        ...

    async def close(self) -> None: ...
