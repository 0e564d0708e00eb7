"""The recent items that the feature writer has at hand, and which of them the online store does not have yet.

Entities are taken from the online store when an event first names them, so that a restart loses nothing, and
forgotten when too many are at hand. Items keep their own identity and time: late, repeated and replayed ones change
nothing twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from features.definitions import FAILED, ORDERS, VIEWED, Item, ItemColumns, View, columns_of, items_of, with_item
from features.online_writer import Row
from pipelines.streaming.feature_events import Addition

Place = tuple[str, str]
"""A view's name and an entity."""

_COLUMNS: tuple[ItemColumns, ...] = (VIEWED, ORDERS, FAILED)


def columns_of_view(view: View) -> list[ItemColumns]:
    """The lists of items that a stream view keeps."""
    return [columns for columns in _COLUMNS if columns.item_ids in view.features]


class RecentItems:
    """Lists of items per view and entity."""

    def __init__(self, limit: int = 50_000) -> None:
        self._limit = limit
        self._lists: OrderedDict[Place, dict[ItemColumns, Sequence[Item]]] = OrderedDict()
        self._changed: dict[Place, View] = {}

    def missing(self, found: Iterable[Addition]) -> dict[Place, View]:
        """Entities that are not at hand yet and must be taken from the store first."""
        return {
            (addition.view.name, addition.entity): addition.view
            for addition in found
            if (addition.view.name, addition.entity) not in self._lists
        }

    def take(self, place: Place, view: View, features: Mapping[str, Any]) -> None:
        """Take an entity's items as they stand in the store."""
        self._lists[place] = {columns: items_of(features, columns) for columns in columns_of_view(view)}

    def add(self, addition: Addition) -> bool:
        """Add an item; False where it changes nothing, being known already or older than all that is kept."""
        place = (addition.view.name, addition.entity)
        lists = self._lists[place]
        self._lists.move_to_end(place)
        before = lists[addition.columns]
        after = with_item(before, addition.item)
        if after == before:
            return False
        lists[addition.columns] = after
        self._changed[place] = addition.view
        return True

    def changed_rows(self) -> list[Row]:
        """What the store does not have yet: per changed entity the whole lists, at the time of the latest item."""
        return [self._row(view, place) for place, view in self._changed.items()]

    def _row(self, view: View, place: Place) -> Row:
        lists = self._lists[place]
        features: dict[str, Any] = {}
        for columns, items in lists.items():
            features |= columns_of(items, columns)
        latest = max(items[-1].time for items in lists.values() if items)
        return Row(view, place[1], features, datetime.fromtimestamp(latest, UTC))

    def written(self) -> None:
        """The store has everything now. Forgets the entities that were not named for longest where there are too
        many."""
        self._changed.clear()
        while len(self._lists) > self._limit:
            self._lists.popitem(last=False)

    def clear(self) -> None:
        """Forget everything: the store may have lost what was written last."""
        self._lists.clear()
        self._changed.clear()
