"""The event bus: two streams, partitioned by key, behind one small interface (Redis Streams by default)."""

from lakefront.bus.interface import (
    CLICKS,
    COMMERCE,
    PACK_LIMIT,
    STREAMS,
    Bus,
    BusError,
    DeadLetter,
    Entry,
    Pack,
)

__all__ = [
    "CLICKS",
    "COMMERCE",
    "PACK_LIMIT",
    "STREAMS",
    "Bus",
    "BusError",
    "DeadLetter",
    "Entry",
    "Pack",
    "connect",
]


def connect(url: str) -> Bus:
    """A bus at a URL (``redis://``, ``rediss://`` or ``unix://``); no network call is made before it is used."""
    from lakefront.bus.redis_streams import RedisStreamsBus  # the driver is loaded only where a bus is used
    from lakefront.settings import settings

    if not url:
        raise ValueError("no bus: run `lakefront up`, or set LAKEFRONT_BUS_URL")
    scheme = url.partition(":")[0]
    if scheme not in ("redis", "rediss", "unix"):
        raise ValueError(f"bus_url must begin with redis://, rediss:// or unix://, not {scheme!r}")
    return RedisStreamsBus(url, deadline_seconds=settings().bus_deadline_milliseconds / 1000)
