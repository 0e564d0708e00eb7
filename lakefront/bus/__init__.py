"""The event bus: two streams, partitioned by key, behind one small interface (Redis Streams by default)."""

from lakefront.bus.interface import (
    CLICKS,
    COMMERCE,
    STREAMS,
    Bus,
    BusError,
    Entry,
    Pack,
)

__all__ = ["CLICKS", "COMMERCE", "STREAMS", "Bus", "BusError", "Entry", "Pack"]
