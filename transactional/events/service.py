"""Takes clickstream: checks each event by itself, and answers only when the good ones are on the bus."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from lakefront.breaker import CircuitOpen
from lakefront.bus import BusError
from lakefront.contracts import STOREFRONT_TYPES
from transactional.events import errors
from transactional.events.errors import BadEvent
from transactional.events.schemas import MOST_EVENTS
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.errors import field_errors
from transactional.platform.publisher import BUS_BREAKER_SECONDS, Message

SOURCE = "transactional.events"
FUTURE_LIMIT = timedelta(minutes=5)
PAST_LIMIT = timedelta(hours=24)
_FIELDS = {"event_type", "event_id", "occurred_at", "data"}


async def accept(core: Core, body: bytes, caller: Caller) -> dict[str, Any]:
    """Put a batch on the bus. Raises Problem 400 or 422 when nothing can be taken, 503 when the bus is away."""
    events = _events(body)
    now = core.clock.now()
    messages: list[Message] = []
    rejected: list[dict[str, Any]] = []
    for index, event in enumerate(events):
        try:
            messages.append(_message(core, event, caller, now))
        except BadEvent as bad:
            rejected.append({"index": index, "code": bad.code, "detail": str(bad)})
    if not messages:
        raise errors.none_accepted(rejected)
    try:
        await core.publisher.publish(messages)
    except (BusError, CircuitOpen):
        raise errors.bus_away(int(BUS_BREAKER_SECONDS)) from None
    return {"accepted": len(messages), "rejected": rejected}


def _events(body: bytes) -> list[Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.malformed(str(error)) from None
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list) or not 1 <= len(events) <= MOST_EVENTS:
        raise errors.wrong_shape()
    return events


def _message(core: Core, event: Any, caller: Caller, now: datetime) -> Message:
    """One event in its envelope. Raises BadEvent."""
    if not isinstance(event, dict):
        raise BadEvent("not_an_object", "an event is a JSON object")
    if unknown := event.keys() - _FIELDS:
        raise BadEvent("unknown_field", f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(_FIELDS))}")
    event_type = event.get("event_type")
    model = STOREFRONT_TYPES.get(event_type) if isinstance(event_type, str) else None
    if model is None:
        raise BadEvent("unknown_event_type", f"known: {', '.join(STOREFRONT_TYPES)}")
    occurred_at = _occurred_at(event.get("occurred_at"), now)
    event_id = _event_id(event.get("event_id"))
    try:
        data = model.model_validate(event.get("data"))
    except ValidationError as error:
        first = field_errors(error.errors(include_url=False))[0]
        raise BadEvent("invalid_data", f"{first['field'] or 'data'}: {first['message']}") from None
    metadata: dict[str, Any] = {"session": data.key}
    if caller.user is not None:
        metadata["user"] = str(caller.user)
    return core.message(data, occurred_at, SOURCE, metadata, event_id)


def _event_id(value: Any) -> UUID | None:
    if value is None:
        return None
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise BadEvent("invalid_event_id", "event_id must be a UUID") from None


def _occurred_at(value: Any, now: datetime) -> datetime:
    if value is None:
        return now
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise BadEvent("invalid_time", "occurred_at must be an ISO 8601 time") from None
    if moment.tzinfo is None:
        raise BadEvent("invalid_time", "occurred_at must carry its offset, such as Z")
    if moment > now + FUTURE_LIMIT:
        raise BadEvent("in_the_future", f"occurred_at is later than now, {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    if moment < now - PAST_LIMIT:
        raise BadEvent("too_old", "occurred_at is more than 24 hours ago")
    return moment
