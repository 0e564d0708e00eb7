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

from lakefront.redis_connection import RedisConnection, Script

STREAM = "{cache}:news"
EPOCH = "{cache}:epoch"
"""Id of the latest entry that says that everything may be old."""
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


GONE_SECONDS = 10
"""For so long the store knows when a subject last changed; longer than it may take to render an answer."""
_TELL = Script("""
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'news', ARGV[2])
if ARGV[3] == '1' or redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SET', KEYS[2], id) end
for place = 3, #KEYS, 2 do
  redis.call('SET', KEYS[place], id, 'EX', ARGV[4])
  redis.call('UNLINK', KEYS[place + 1])
end
return id
""")


def gone_key(subject: str) -> str:
    """Where the store notes which entry said last that a subject has changed."""
    return f"{{cache}}:gone:{subject}"


def shared_key(subject: str) -> str:
    """Where the store keeps what workers rendered about a subject."""
    return f"{{cache}}:about:{subject}"


async def tell(store: RedisConnection, news: News) -> Any:
    """Put an entry on the stream, and take what it makes old out of the store in the same moment. Raises what Redis and the
    network raise; the caller sets the deadline."""
    subjects = dict.fromkeys(subject for named in news.topics.values() for subject in named)
    keys = [key for subject in subjects for key in (gone_key(subject), shared_key(subject))]
    arguments = (MOST_ENTRIES, news.encoded(), int(news.is_all), GONE_SECONDS)
    return await _TELL.run(store, (2 + len(keys), STREAM, EPOCH, *keys, *arguments))
