"""The order's row and lines as a projection of its history: looking at an order as it was, checking, rebuilding.

The history is the truth. ``orders`` and ``order_lines`` are kept beside it by the statement that writes each fact; here they
are compared with what the facts say, and written anew from them where they differ.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import orjson

from transactional.orders import projection_store as store
from transactional.orders.history import BrokenHistory, OrderState, Recorded, exactly, replay
from transactional.platform.database import Connection, Database
from transactional.platform.query import Row, first, jsonb, rows

BATCH = 500
_BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Finding:
    """An order whose row is not what its history says, or whose history cannot be replayed."""

    order_id: UUID
    problem: str
    repairable: bool


async def state_of(
    connection: Connection, order_id: UUID, *, sequence: int | None = None, moment: datetime | None = None
) -> OrderState:
    """The order after a fact, or at a moment of business time; by default now. Raises BrokenHistory."""
    parameters = {"order_id": order_id, "sequence": sequence, "moment": moment}
    snapshot = await first(connection, store.LATEST_SNAPSHOT, parameters)
    start = OrderState.of(exactly(snapshot["state"])) if snapshot else None
    facts = await rows(connection, store.FACTS, {**parameters, "after": start.sequence if start else 0})
    state = replay([_recorded(row) for row in facts], start)
    if sequence is not None and state.sequence < sequence:
        raise BrokenHistory(f"there is no fact {sequence}: the last is {state.sequence}")
    return state


async def take_snapshot(connection: Connection, order_id: UUID, now: datetime) -> None:
    """Keep the order's present state, so that its history need not be replayed from the beginning."""
    state = await state_of(connection, order_id)
    parameters = {"order_id": order_id, "sequence": state.sequence, "state": jsonb(state.document()), "now": now}
    await connection.execute(store.ADD_SNAPSHOT, parameters)


async def check(db: Database) -> AsyncIterator[list[Finding]]:
    """Compare every order with its history, some hundred at a time and each batch as of one moment; yields what does
    not agree of each batch."""
    last = _BEFORE_ALL
    while True:
        async with db.snapshot() as connection:
            facts = await rows(connection, store.HISTORIES, {"after": last, "limit": BATCH})
            findings = await _differing(connection, facts)
        if not facts:
            return
        yield findings
        last = facts[-1]["order_id"]


async def _differing(connection: Connection, facts: list[Row]) -> list[Finding]:
    """Findings of a batch of whole histories."""
    states, findings = [], []
    for order_id, history in groupby(facts, key=itemgetter("order_id")):
        try:
            states.append(replay([_recorded(row) for row in history if row["sequence"] is not None]))
        except BrokenHistory as broken:
            findings.append(Finding(order_id, str(broken), repairable=False))
    documents = [orjson.dumps(state.document()).decode() for state in states]
    differing = await rows(connection, store.DIFFERING, {"states": documents})
    return findings + [
        Finding(row["order_id"], f"its {row['part']} is not what the history says", repairable=True)
        for row in differing
    ]


async def rebuild(db: Database, order_id: UUID) -> OrderState:
    """Write an order's row and lines anew from its history. Raises BrokenHistory, and changes nothing then."""
    async with db.transaction() as connection:
        await connection.execute(store.LOCK, {"order_id": order_id})
        state = replay([_recorded(row) for row in await rows(connection, store.FACTS, _all_of(order_id))])
        await connection.execute(store.REBUILD, {"state": orjson.dumps(state.document()).decode()})
    return state


def _all_of(order_id: UUID) -> dict[str, object]:
    return {"order_id": order_id, "sequence": None, "moment": None, "after": 0}


def _recorded(row: Row) -> Recorded:
    return Recorded(row["sequence"], row["occurred_at"], exactly(row["changes"]))
