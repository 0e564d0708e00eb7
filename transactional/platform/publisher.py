"""Puts envelopes straight on the clicks stream: clickstream, which waits for the bus, and decisions, which do not.

All that waits when a publish begins goes in one publish (the bus syncs to disk once for it, not once a request). Each publish
has a deadline and stands behind a breaker. The decision log is a bounded buffer: while the bus is away decisions wait, and
when it is full the oldest are dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from lakefront.breaker import CircuitBreaker, CircuitOpen
from lakefront.bus import CLICKS, Bus, BusError, Pack
from lakefront.bus.interface import PACK_LIMIT

DECISION_LOG_LIMIT = 50_000
BUS_BREAKER_SECONDS = 2.0
_FLUSH_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_MOST_AT_ONCE = 2_000

ACCEPTED = Counter("lakefront_clicks_accepted", "Clickstream events that are on the bus.")
REFUSED = Counter("lakefront_clicks_refused", "Clickstream events refused because the bus was away or late.")
DECISIONS_LOGGED = Counter("lakefront_decisions_logged", "Decision events that are on the bus.")
DECISIONS_DROPPED = Counter("lakefront_decisions_dropped", "Decision events lost because the buffer was full.")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """An envelope as JSON, and the partition of its key."""

    partition: int
    envelope: bytes


def packs(messages: Iterable[Message]) -> list[Pack]:
    """Packs of at most 100 envelopes of one partition, each partition in the order given."""
    by_partition: dict[int, list[bytes]] = {}
    for message in messages:
        by_partition.setdefault(message.partition, []).append(message.envelope)
    return [
        Pack(CLICKS, partition, b"\n".join(part), len(part))
        for partition, envelopes in by_partition.items()
        for part in (envelopes[start : start + PACK_LIMIT] for start in range(0, len(envelopes), PACK_LIMIT))
    ]


class Publisher:
    """The worker's way to the bus. ``start`` and ``stop`` stand in the application's lifespan."""

    def __init__(self, bus: Bus, deadline_seconds: float) -> None:
        self._bus = bus
        self._deadline = deadline_seconds
        self._breaker = CircuitBreaker("bus", seconds_open=BUS_BREAKER_SECONDS)
        self._waiting: list[tuple[Sequence[Message], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._decisions: deque[Message] = deque()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._publish_waiting()), asyncio.create_task(self._flush_decisions())]

    async def stop(self) -> None:
        """Stop the tasks; what the decision log still holds gets one last try."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, done in self._waiting:
            if not done.done():
                done.set_exception(BusError("the server is stopping"))
        self._waiting.clear()
        while self._decisions and await self._try_decisions():
            pass
        if self._decisions:
            DECISIONS_DROPPED.inc(len(self._decisions))
            log.warning("decisions_dropped_at_stop", count=len(self._decisions))

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when all messages are on the bus. Raises BusError or CircuitOpen when they may not be."""
        if not messages:
            return
        try:
            self._breaker.check()
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((messages, done))
            self._wake.set()
            await done
        except (BusError, CircuitOpen):
            REFUSED.inc(len(messages))
            raise
        ACCEPTED.inc(len(messages))

    def log_decision(self, message: Message) -> None:
        """Keep a decision for the bus; never waits and never fails."""
        if len(self._decisions) >= DECISION_LOG_LIMIT:
            self._decisions.popleft()
            DECISIONS_DROPPED.inc()
        self._decisions.append(message)

    async def _publish_waiting(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._send([message for messages, _ in waiting for message in messages])
                error: Exception | None = None
            except asyncio.CancelledError:
                self._waiting = waiting + self._waiting
                raise
            except Exception as failure:  # whatever it is, those who wait are told and the next are served
                error = failure
            for _, done in waiting:
                if done.done():  # its request was cancelled meanwhile
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    async def _send(self, messages: Sequence[Message]) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                await self._bus.publish(packs(messages))
        except TimeoutError:
            self._breaker.failed()
            raise BusError(f"the bus did not answer within {self._deadline:g} s") from None
        except BusError:
            self._breaker.failed()
            raise
        self._breaker.succeeded()

    async def _flush_decisions(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            while self._decisions:
                if not await self._try_decisions():
                    await asyncio.sleep(_RETRY_SECONDS)

    async def _try_decisions(self) -> bool:
        """Publish the oldest decisions; put them back in front when the bus does not take them."""
        batch = [self._decisions.popleft() for _ in range(min(len(self._decisions), _MOST_AT_ONCE))]
        try:
            await self._send(batch)
        except BusError as error:
            self._decisions.extendleft(reversed(batch))
            log.warning("decision_log_waits", waiting=len(self._decisions), error=str(error))
            return False
        except asyncio.CancelledError:
            self._decisions.extendleft(reversed(batch))
            raise
        DECISIONS_LOGGED.inc(len(batch))
        return True
