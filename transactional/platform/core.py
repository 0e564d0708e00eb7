"""What a request handler works with: one ``Core`` a worker, made in the application's lifespan."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request

from lakefront.bus import Bus
from lakefront.card_numbers import refuse_card_number
from lakefront.clock import Clock, iso, real_now
from lakefront.contracts import EventData, partition_of
from lakefront.ids import new_id
from lakefront.redis_connection import RedisConnection
from lakefront.settings import Settings
from serving.decisions import Decisions
from transactional.platform.database import Database
from transactional.platform.outbox import cause_of_now
from transactional.platform.publisher import Message, Publisher


@dataclass(frozen=True, slots=True)
class Core:
    """The worker's connections and clocks."""

    settings: Settings
    db: Database
    clock: Clock
    bus: Bus
    store: RedisConnection
    """Redis for limits. It may be away: who asks sets a deadline and has a way to go on without it."""
    decisions: Decisions
    publisher: Publisher
    password_pool: ThreadPoolExecutor

    def log_decision(self, data: EventData, occurred_at: datetime, metadata: dict[str, Any] | None = None) -> None:
        """Tell the world of a decision; it goes to the bus in the background and never delays or fails the answer."""
        self.publisher.log_decision(self.message(data, occurred_at, "transactional.decisions", metadata or {}))

    def message(
        self, data: EventData, occurred_at: datetime, source: str, metadata: dict[str, Any], event_id: object = None
    ) -> Message:
        """An event in its envelope, for the clicks stream."""
        envelope = orjson.dumps(
            {
                "event_id": event_id or new_id(),
                "event_type": data.event_type,
                "occurred_at": iso(occurred_at),
                "recorded_at": iso(real_now()),
                "source": source,
                "key": data.key,
                "sequence": None,
                "data": data.model_dump(mode="json"),
                "metadata": cause_of_now() | metadata,
            }
        )
        refuse_card_number(envelope, data.event_type)
        return Message(partition_of(data.key, self.settings.bus_partitions), envelope)


def core(request: Request) -> Core:
    """The worker's core."""
    found: Core = request.app.state.core
    return found


async def _core(request: Request) -> Core:
    return core(request)


CoreDep = Annotated[Core, Depends(_core)]
