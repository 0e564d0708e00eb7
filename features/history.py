"""The history of the parties' stream features, computed from silver by the functions that the stream uses.

One row per party and event: the lists as they stood after it. It is made anew whenever it is asked for, since late
events change it backward.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from features.definitions import (
    ACCOUNT,
    CARD,
    FAILED,
    FRAUD_ENTITIES,
    ORDERS,
    PARTY_RECENT,
    Item,
    ItemColumns,
    columns_of,
    with_item,
)
from features.offline import CREATED_TIME, EVENT_TIME, HISTORY
from lakefront.clock import real_now
from lakefront.lake.access import connect, replace
from lakefront.lake.tables import ORDERS as SILVER_ORDERS
from lakefront.lake.tables import PAYMENTS as SILVER_PAYMENTS

_PLACED = """
SELECT order_id, epoch_us(occurred_at), total::double, "user", card, device, address FROM silver_orders
 WHERE occurred_at <= $as_of
"""
_FAILED = """
SELECT event_id, epoch_us(occurred_at), 0::double, "user", card, device, address FROM silver_payments
 WHERE status = 'failed' AND occurred_at <= $as_of
"""


class _Entry(NamedTuple):
    """One item more of a party."""

    time_us: int
    columns: ItemColumns
    item: Item


def write_party_history(as_of: Any, lake_uri: str | None = None) -> None:
    """Write the history of all parties' recent orders and failed payments up to a moment, in place of the old one."""
    with connect((SILVER_ORDERS, SILVER_PAYMENTS), lake_uri) as lake:
        placed = lake.execute(_PLACED, {"as_of": as_of}).fetchall()
        failed = lake.execute(_FAILED, {"as_of": as_of}).fetchall()
    for entity in FRAUD_ENTITIES:
        entries: dict[str, list[_Entry]] = defaultdict(list)
        for columns, rows in ((ORDERS, placed), (FAILED, failed)):
            for party, entry in _entries(entity, columns, rows):
                entries[party].append(entry)
        view = PARTY_RECENT[entity]
        replace(HISTORY[view.name], _snapshots(entity, entries), lake_uri)


def _entries(entity: str, columns: ItemColumns, rows: Iterable[Sequence[Any]]) -> Iterable[tuple[str, _Entry]]:
    for item_id, time_us, value, account, card, device, address in rows:
        parties = dict(zip(FRAUD_ENTITIES, (account, card, device, address), strict=True))
        if parties[entity]:
            other = parties[CARD] if entity == ACCOUNT else account
            item = Item(item_id, time_us / 1e6, value, (other or "") if columns is ORDERS else "")
            yield parties[entity], _Entry(time_us, columns, item)


def _snapshots(entity: str, entries: dict[str, list[_Entry]]) -> pa.Table:
    """The lists of each party after each of its moments."""
    contract = HISTORY[PARTY_RECENT[entity].name].schema
    made: dict[str, list[Any]] = {name: [] for name in contract.names if name != CREATED_TIME}
    for party, found in entries.items():
        found.sort(key=lambda entry: (entry.time_us, entry.item.item_id))
        lists: dict[ItemColumns, Sequence[Item]] = {ORDERS: [], FAILED: []}
        for number, entry in enumerate(found):
            lists[entry.columns] = with_item(lists[entry.columns], entry.item)
            if number + 1 < len(found) and found[number + 1].time_us == entry.time_us:
                continue  # one row a moment
            made[entity].append(party)
            made[EVENT_TIME].append(entry.time_us)
            for columns, items in lists.items():
                for name, values in columns_of(items, columns).items():
                    made[name].append(values)
    count = len(made[entity])
    arrays = [
        pa.array([real_now()] * count if name == CREATED_TIME else made[name], contract.field(name).type)
        for name in contract.names
    ]
    return pa.table(arrays, schema=contract)
