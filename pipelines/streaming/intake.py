"""What the lake writer takes from the bus, and what not: nothing twice, and of the outbox nothing behind a gap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from lakefront.bus import CLICKS, COMMERCE, PACK_LIMIT, Entry
from pipelines.streaming.packs import BadLine, Lines

CONSUMER = "lake-writer"
Place = tuple[str, int]
"""A stream and a partition."""


class Intake:
    """Collects a batch. ``reached`` is how far each partition is committed or waits here: a position on the commerce
    stream, a bus offset on the clicks stream. ``read`` is how far the bus has been read."""

    def __init__(self, committed: Mapping[Place, int]) -> None:
        self.reached = dict(committed)
        # Where positions stand on the bus is unknown, so the commerce stream is read from its oldest entry.
        self.read = {place: reached if place[0] == CLICKS else 0 for place, reached in committed.items()}
        self.waiting: list[Lines] = []
        self.bad: list[BadLine] = []
        self.events = 0
        self.gaps: dict[int, int] = {}
        """Partitions of the outbox where events are missing, and the position behind which they are."""

    def take(self, entries: Sequence[Entry]) -> None:
        """Take what is new of entries just read, in whatever order and how often they came."""
        by_place: dict[Place, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_place[entry.stream, entry.partition].append(entry)
        for place, found in by_place.items():
            self.read[place] = max(self.read[place], *(entry.offset for entry in found))
            if place[0] == COMMERCE:
                self._take_commerce(place, found)
            else:
                self._take_clicks(place, found)

    def _take_clicks(self, place: Place, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.offset <= self.reached[place]:
                continue
            self.reached[place] = entry.offset
            if not entry.is_for(CONSUMER):
                continue
            lines = entry.payload.split(b"\n")
            # Only as many as fit into the offset: their places must not run into the next pack's.
            if len(lines) > PACK_LIMIT:
                self._refuse(entry, entry.offset, f"{len(lines)} lines in a pack")
                continue
            self._keep(Lines(*place, entry.offset, lines))

    def _take_commerce(self, place: Place, entries: Iterable[Entry]) -> None:
        """Positions continue without a gap from ``reached``. What lies beyond a gap is dropped: the relay, asked to
        send again, sends everything behind the gap in order."""
        partition = place[1]
        is_gap = False
        for entry in sorted(entries, key=lambda one: one.first_position or 0):
            lines = entry.payload.split(b"\n")
            if entry.first_position is None or entry.first_position < 1 or len(lines) != entry.count:
                self._refuse(entry, entry.offset, "not a pack of the relay: no position, or another number of lines")
                continue
            known = self.reached[place] + 1 - entry.first_position
            if known < 0:
                is_gap = True
                break
            if known < len(lines):
                self._keep(Lines(*place, entry.first_position + known, lines[known:]))
                self.reached[place] = entry.first_position + len(lines) - 1
        if is_gap:
            self.gaps[partition] = self.reached[place]
        else:
            self.gaps.pop(partition, None)

    def _keep(self, lines: Lines) -> None:
        self.waiting.append(lines)
        self.events += len(lines.lines)

    def _refuse(self, entry: Entry, offset: int, reason: str) -> None:
        self.bad.append(BadLine(entry.stream, entry.partition, offset, entry.payload, reason))

    def clear(self) -> None:
        """Forget the batch, which is committed."""
        self.waiting.clear()
        self.bad.clear()
        self.events = 0
