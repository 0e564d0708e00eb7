"""An order as the sum of its history: replaying facts to a state. Pure; the rows come from ``projection``.

A fact's ``changes`` say what it did to the order's row and lines. A state holds the same columns, money as the text that
PostgreSQL printed, so that nothing is rounded on the way. What names a person is not in the history.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lakefront.contracts.commerce import OrderStatus
from transactional.orders.states import IllegalMove, check_move

PERSONAL = ["user_id", "shipping_address", "billing_address"]
"""Columns of an order that its history leaves out: they can be forgotten, a history cannot."""

IMPORTED = "import"
"""The channel of orders that were taken elsewhere: their moves followed the rules of that place."""

Changes = dict[str, Any]


class BrokenHistory(ValueError):
    """A history has a gap, begins without an order, or holds a move that the state machine does not allow."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One row of the history."""

    sequence: int
    occurred_at: str
    changes: Changes


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order's row and lines as they were after the fact with this sequence."""

    sequence: int
    order: dict[str, Any]
    lines: dict[int, dict[str, Any]]
    """By line number."""

    @property
    def status(self) -> OrderStatus:
        found: OrderStatus = self.order["status"]
        return found

    def document(self) -> dict[str, Any]:
        """As JSON: what a snapshot keeps."""
        return {"sequence": self.sequence, "order": self.order, "lines": list(self.lines.values())}

    @classmethod
    def of(cls, document: dict[str, Any]) -> OrderState:
        """From a snapshot."""
        lines = {line["line_number"]: line for line in document["lines"]}
        return cls(document["sequence"], document["order"], lines)


def exactly(text: str) -> Any:
    """JSON with its decimal numbers kept as text: a float would round money."""
    return json.loads(text, parse_float=str)


def apply(state: OrderState | None, fact: Recorded) -> OrderState:
    """The state after one more fact. Raises BrokenHistory where the fact does not follow on the state."""
    expected = state.sequence + 1 if state else 1
    if fact.sequence != expected:
        raise BrokenHistory(f"fact {fact.sequence} stands where fact {expected} is expected")
    changed = fact.changes.get("order", {})
    if state is None:
        lines = {line["line_number"]: line for line in fact.changes.get("lines", [])}
        if "id" not in changed or not lines:
            raise BrokenHistory("the first fact does not place an order")
        return OrderState(1, {**changed, "version": 1}, lines)
    status = changed.get("status", state.status)
    if status != state.status and state.order.get("channel") != IMPORTED:
        try:
            check_move(state.status, status)
        except IllegalMove as illegal:
            raise BrokenHistory(f"fact {fact.sequence}: {illegal}") from illegal
    order = {**state.order, "updated_at": fact.occurred_at, **changed, "version": fact.sequence}
    lines = dict(state.lines)
    for line in fact.changes.get("lines", []):
        number = line["line_number"]
        if number not in lines:
            raise BrokenHistory(f"fact {fact.sequence} changes line {number}, which the order does not have")
        lines[number] = {**lines[number], **line}
    return OrderState(fact.sequence, order, lines)


def replay(facts: Iterable[Recorded], start: OrderState | None = None) -> OrderState:
    """The state that facts lead to, from the beginning or from a snapshot. Raises BrokenHistory."""
    state = start
    for fact in facts:
        state = apply(state, fact)
    if state is None:
        raise BrokenHistory("there is no history")
    return state
