"""News on the bus for the index: which products it names, how far it has been read, and whether some of it is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from prometheus_client import Counter

from lakefront.bus import COMMERCE, Bus, Entry
from lakefront.contracts.commerce import PriceChanged, ProductListed, StockChanged
from lakefront.contracts.reviews import ReviewChanged
from lakefront.telemetry import logger
from transactional.search.index import Progress

CONSUMER = "search-writer"
PACKS_AT_ONCE = 20
"""Of each partition; who gets fewer has read all that there was."""
_NEWS = {model.event_type for model in (ProductListed, PriceChanged, StockChanged, ReviewChanged)}

EVENTS = Counter(
    "lakefront_search_events", "Envelopes that the search writer read, by what became of them.", ["result"]
)
log = logger("search_news")


class NewsLost(RuntimeError):
    """The bus no longer has all that came after the index."""


@dataclass(slots=True)
class News:
    """What was read: how far that is, how many packs, and the products that they name with when that was recorded."""

    progress: Progress
    packs: int
    named: dict[str, datetime] = field(default_factory=dict)


async def read_news(bus: Bus, after: Progress, *, wait_ms: int) -> News:
    """What came after. What cannot be read is parked. Raises NewsLost where something is missing."""
    entries = await bus.read(after.offsets, limit=PACKS_AT_ONCE, wait_ms=wait_ms)
    news = News(after.copy(), len(entries))
    for entry in entries:
        _check_for_a_gap(news.progress, entry)
        news.progress.offsets[entry.stream, entry.partition] = entry.offset
        if entry.replay_for == CONSUMER or (entry.stream == COMMERCE and not entry.replay_for):
            news.named |= await _named(bus, entry)
    return news


def _check_for_a_gap(progress: Progress, entry: Entry) -> None:
    """The relay may send again, but never leaves out: a position beyond the next one means that news is lost."""
    if entry.stream != COMMERCE or entry.first_position is None:
        return
    known = progress.positions.get(entry.partition, 0)
    if known and entry.first_position > known + 1:
        raise NewsLost(f"partition {entry.partition} goes on at {entry.first_position}, after {known}")
    progress.positions[entry.partition] = max(known, entry.first_position + entry.count - 1)


def _is_news(event_type: str, data: dict[str, Any]) -> bool:
    """A review that waits, or is rejected, changes nothing that is shown."""
    return event_type in _NEWS and (event_type != ReviewChanged.event_type or data["is_public"])


async def _named(bus: Bus, entry: Entry) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for place, line in enumerate(entry.payload.split(b"\n")):
        try:
            event = orjson.loads(line)
            if _is_news(event["event_type"], event["data"]):
                found[event["data"]["product_id"]] = datetime.fromisoformat(event["recorded_at"])
                EVENTS.labels("used").inc()
            else:
                EVENTS.labels("passed").inc()
        except (KeyError, TypeError, ValueError) as error:
            EVENTS.labels("parked").inc()
            reason = f"{type(error).__name__}: {error}"[:500]
            await bus.park(entry.stream, entry.partition, entry.offset + place, line, reason, consumer=CONSUMER)
            log.warning("event_parked", stream=entry.stream, offset=entry.offset + place, reason=reason)
    return found
