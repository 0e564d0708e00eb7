"""The envelope that every event travels in, and the rule that maps its key to a partition of the bus."""

from __future__ import annotations

import zlib
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from lakefront.clock import iso

Moment = Annotated[AwareDatetime, PlainSerializer(iso, when_used="json")]
"""A point in time, UTC, ISO 8601 with microseconds in JSON."""

Amount = Annotated[Decimal, Field(max_digits=18, decimal_places=4)]
"""An amount of money, already in its currency's decimals; a JSON string in events."""


class EventData(BaseModel):
    """Base of every event's data. ``event_type`` names it, ``key_field`` is the field that orders it on the bus."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")

    event_type: ClassVar[str]
    key_field: ClassVar[str]

    @property
    def key(self) -> str:
        """The ordering key: events of one key keep their order from the outbox to silver."""
        return str(getattr(self, self.key_field))


class Envelope(BaseModel):
    """An event as it stands on the bus and in bronze (DESIGN: the event envelope)."""

    event_id: UUID
    event_type: str
    occurred_at: Moment
    recorded_at: Moment
    source: str
    key: str
    sequence: int | None = None
    partition: int | None = None
    position: int | None = None
    data: dict[str, Any]
    metadata: dict[str, Any] = Field(default_factory=dict)


def partition_of(key: str, partitions: int) -> int:
    """Partition of a key: CRC-32 modulo the number of partitions, the same in every process and language."""
    return zlib.crc32(key.encode()) % partitions


def moment(value: str) -> datetime:
    """Read an ISO 8601 time of an envelope."""
    return datetime.fromisoformat(value)
