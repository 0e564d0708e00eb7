"""What an event means for the stream features: which recent items it adds to which entities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from features.definitions import (
    ACCOUNT,
    ADDRESS,
    CARD,
    DEVICE,
    FAILED,
    INTEREST_WEIGHTS,
    ORDERS,
    PARTY_RECENT,
    SESSION_RECENT,
    USER_RECENT,
    VIEWED,
    Item,
    ItemColumns,
    View,
)
from lakefront.contracts.commerce import OrderPlaced, PaymentChanged
from lakefront.contracts.envelope import EventData, moment
from lakefront.contracts.storefront import CartItemAdded, ProductViewed


class Addition(NamedTuple):
    """One item more in an entity's list."""

    view: View
    entity: str
    columns: ItemColumns
    item: Item


class Event(NamedTuple):
    """What the writer needs of an envelope."""

    event_id: str
    event_type: str
    key: str
    sequence: int | None
    occurred_at: datetime
    recorded_at: datetime
    data: Mapping[str, Any]
    metadata: Mapping[str, Any]


def read_event(envelope: Mapping[str, Any]) -> Event:
    """Read an envelope. Raises KeyError, TypeError or ValueError when it is not one."""
    sequence = envelope.get("sequence")
    return Event(
        str(envelope["event_id"]),
        str(envelope["event_type"]),
        str(envelope["key"]),
        None if sequence is None else int(sequence),
        moment(envelope["occurred_at"]),
        moment(envelope["recorded_at"]),
        envelope["data"],
        envelope.get("metadata") or {},
    )


def additions(event: Event) -> list[Addition]:
    """Items that an event adds; none for events that no stream feature follows. Raises ValueError on bad data."""
    handler = _HANDLERS.get(event.event_type)
    if handler is None:
        return []
    model, add = handler
    return add(event, model.model_validate(event.data))


def _viewed(event: Event, data: Any) -> list[Addition]:
    return _interaction(event, data.session, str(data.product_id), "view")


def _added(event: Event, data: Any) -> list[Addition]:
    return _interaction(event, data.session, str(data.product_id), "cart")


def _interaction(event: Event, session: str, product_id: str, kind: str) -> list[Addition]:
    item = Item(event.event_id, event.occurred_at.timestamp(), INTEREST_WEIGHTS[kind], product_id)
    found = [Addition(SESSION_RECENT, session, VIEWED, item)]
    user = event.metadata.get("user")
    if user:
        found.append(Addition(USER_RECENT, str(user), VIEWED, item))
    return found


def _placed(event: Event, data: OrderPlaced) -> list[Addition]:
    """An order is an item of its parties, and its lines are of its shopper's interest."""
    time, amount = event.occurred_at.timestamp(), float(data.total)
    order_id, account = str(data.order_id), str(data.user) if data.user else None
    found = [
        Addition(
            PARTY_RECENT[kind],
            party,
            ORDERS,
            Item(order_id, time, amount, (data.card if kind == ACCOUNT else account) or ""),
        )
        for kind, party in _parties(data).items()
    ]
    if account:
        found += [
            Addition(
                USER_RECENT, account, VIEWED,
                Item(f"{order_id}:{number}", time, INTEREST_WEIGHTS["order"], str(line.product_id)),
            )
            for number, line in enumerate(data.lines)
        ]  # fmt: skip
    return found


def _paid(event: Event, data: PaymentChanged) -> list[Addition]:
    if data.status != "failed":
        return []
    item = Item(event.event_id, event.occurred_at.timestamp())
    return [Addition(PARTY_RECENT[kind], party, FAILED, item) for kind, party in _parties(data).items()]


def _parties(data: OrderPlaced | PaymentChanged) -> dict[str, str]:
    account = str(data.user) if data.user else None
    parties = {ACCOUNT: account, CARD: data.card, DEVICE: data.device, ADDRESS: data.address}
    return {kind: party for kind, party in parties.items() if party}


_HANDLERS: dict[str, tuple[type[EventData], Callable[[Event, Any], list[Addition]]]] = {
    ProductViewed.event_type: (ProductViewed, _viewed),
    CartItemAdded.event_type: (CartItemAdded, _added),
    OrderPlaced.event_type: (OrderPlaced, _placed),
    PaymentChanged.event_type: (PaymentChanged, _paid),
}
