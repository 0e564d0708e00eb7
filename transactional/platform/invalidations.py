"""What has changed, told to all workers: one stream in the store, written by the relay, read by every worker from its last id.

The relay reads the outbox in its order, so nothing that commits is left out. Each entry is numbered by its teller; one that is
missing (trimmed away, lost with Redis, never sent) shows by its number, and then a worker clears its caches. A teller says
from time to time, a partition each, that everything that had committed when it looked has been told. A worker trusts what it
keeps only while each partition's word is fresh: whatever is away, relay, bus, Redis or PostgreSQL, the word grows old and the
worker goes on with entries of a moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from lakefront.redis_connection import RedisConnection

STREAM = "cache:news"
MOST_ENTRIES = 20_000
"""Who was away for longer than this many clears."""


@dataclass(frozen=True, slots=True)
class News:
    """An entry of the stream."""

    teller: str
    number: int
    """1, 2, 3 … of a teller."""
    read_at: float = 0.0
    """Real time (seconds since 1970) at which the teller looked; counts with ``partitions``."""
    partitions: tuple[int, ...] = ()
    """Of these, all that had committed at ``read_at`` is told with this entry."""
    is_all: bool = False
    """The teller does not know what was told before it, or whether: everything may be old."""
    topics: dict[str, list[str]] = field(default_factory=dict)
    """Subjects by topic; products by "product" and "stock"."""

    def encoded(self) -> bytes:
        """As the stream carries it."""
        return orjson.dumps(
            {
                "teller": self.teller,
                "number": self.number,
                "read_at": self.read_at,
                "partitions": self.partitions,
                "all": self.is_all,
                "topics": self.topics,
            }
        )

    @classmethod
    def of(cls, fields: list[bytes]) -> News:
        """As the fields of an entry of the stream say. Raises ValueError where they are none."""
        try:
            found = orjson.loads(fields[1])
            return cls(
                found["teller"],
                int(found["number"]),
                float(found["read_at"]),
                tuple(found["partitions"]),
                bool(found["all"]),
                found["topics"],
            )
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"this is no news: {error!r}") from error


async def tell(store: RedisConnection, news: News) -> Any:
    """Put an entry on the stream. Raises what Redis and the network raise; the caller sets the deadline."""
    command = ("XADD", STREAM, "MAXLEN", "~", MOST_ENTRIES, "*", "news", news.encoded())
    return await store.ask([command])
