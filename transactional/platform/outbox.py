"""The transactional outbox: a fact is written in the transaction that makes it true, and told to the world by the relay.

A key's ``sequence`` is the version of its aggregate row, raised by the UPDATE that changes it. A domain either calls ``tell``
inside its transaction or feeds ``outbox_rows`` to the CTE that changes the rows::

    INSERT INTO outbox (partition, envelope) SELECT * FROM unnest(%s::smallint[], %s::text[])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from opentelemetry import trace

from lakefront.card_numbers import refuse_card_number
from lakefront.clock import iso, real_now
from lakefront.contracts import EventData, partition_of
from lakefront.ids import new_id
from lakefront.settings import settings
from lakefront.telemetry import correlation_id
from transactional.platform.database import Connection

_INSERT = "INSERT INTO outbox (partition, envelope) SELECT * FROM unnest(%s::smallint[], %s::text[])"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to an aggregate, ready for its envelope."""

    data: EventData
    sequence: int
    occurred_at: datetime
    source: str
    """Who tells it: "transactional.orders"."""
    metadata: dict[str, Any] = field(default_factory=dict)


def outbox_rows(facts: Sequence[Fact], partitions: int | None = None) -> tuple[list[int], list[str]]:
    """The two columns of the outbox rows: partitions and envelopes."""
    count = partitions or settings().bus_partitions
    recorded_at = iso(real_now())
    cause = cause_of_now()
    return (
        [partition_of(fact.data.key, count) for fact in facts],
        [_envelope(fact, recorded_at, cause) for fact in facts],
    )


def cause_of_now() -> dict[str, str]:
    """What every event's metadata begins with: the correlation id and, where spans are recorded, the current one."""
    cause: dict[str, str] = {}
    if correlation := correlation_id.get():
        cause["correlation_id"] = correlation
    span = trace.get_current_span().get_span_context()
    if span.is_valid and span.trace_flags.sampled:
        cause["traceparent"] = f"00-{span.trace_id:032x}-{span.span_id:016x}-01"
    return cause


def _envelope(fact: Fact, recorded_at: str, cause: dict[str, str]) -> str:
    envelope = orjson.dumps(
        {
            "event_id": new_id(),
            "event_type": fact.data.event_type,
            "occurred_at": iso(fact.occurred_at),
            "recorded_at": recorded_at,
            "source": fact.source,
            "key": fact.data.key,
            "sequence": fact.sequence,
            "data": fact.data.model_dump(mode="json"),
            "metadata": cause | fact.metadata,
        }
    )
    refuse_card_number(envelope, fact.data.event_type)
    return envelope.decode()


async def tell(connection: Connection, facts: Sequence[Fact]) -> None:
    """Write facts to the outbox in the caller's transaction."""
    if facts:
        await connection.execute(_INSERT, outbox_rows(facts))
