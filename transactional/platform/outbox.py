"""The transactional outbox: a fact is written in the transaction that makes it true, and told to the world by the relay.

A key's ``sequence`` is the version of its aggregate row, raised by the UPDATE that changes it. A domain either calls ``tell``
inside its transaction or feeds ``outbox_columns`` to the CTE that changes the rows::

    INSERT INTO outbox (partition, envelope) SELECT * FROM unnest(%s::smallint[], %s::text[])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from opentelemetry import trace

from lakefront.card_numbers import holds_card_number, refuse_card_number
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


class OutboxRow(NamedTuple):
    """A fact as the outbox takes it, and its data apart for who keeps them elsewhere too."""

    partition: int
    envelope: str
    data: orjson.Fragment


def outbox_rows(facts: Sequence[Fact], partitions: int | None = None) -> list[OutboxRow]:
    """The outbox row of each fact."""
    count = partitions or settings().bus_partitions
    recorded_at = iso(real_now())
    cause = cause_of_now()
    rows = [_row(fact, count, recorded_at, cause) for fact in facts]
    if holds_card_number("\n".join(row.envelope for row in rows)):  # one look at all of them costs less
        for fact, row in zip(facts, rows, strict=True):
            refuse_card_number(row.envelope, fact.data.event_type)
    return rows


def outbox_columns(facts: Sequence[Fact], partitions: int | None = None) -> tuple[list[int], list[str]]:
    """The two columns of the outbox rows: partitions and envelopes."""
    found = outbox_rows(facts, partitions)
    return [row.partition for row in found], [row.envelope for row in found]


def cause_of_now() -> dict[str, str]:
    """What every event's metadata begins with: the correlation id and, where spans are recorded, the current one."""
    cause: dict[str, str] = {}
    if correlation := correlation_id.get():
        cause["correlation_id"] = correlation
    span = trace.get_current_span().get_span_context()
    if span.is_valid and span.trace_flags.sampled:
        cause["traceparent"] = f"00-{span.trace_id:032x}-{span.span_id:016x}-01"
    return cause


def _row(fact: Fact, partitions: int, recorded_at: str, cause: dict[str, str]) -> OutboxRow:
    key = fact.data.key
    data = orjson.Fragment(fact.data.model_dump_json())
    envelope = orjson.dumps(
        {
            "event_id": new_id(),
            "event_type": fact.data.event_type,
            "occurred_at": iso(fact.occurred_at),
            "recorded_at": recorded_at,
            "source": fact.source,
            "key": key,
            "sequence": fact.sequence,
            "data": data,
            "metadata": cause | fact.metadata,
        }
    )
    return OutboxRow(partition_of(key, partitions), envelope.decode(), data)


async def tell(connection: Connection, facts: Sequence[Fact]) -> None:
    """Write facts to the outbox in the caller's transaction."""
    if facts:
        await connection.execute(_INSERT, outbox_columns(facts))
