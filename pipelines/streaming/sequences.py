"""Checks that the events of a key come without gaps. The bus keeps a key's order; a gap means that something was
lost."""

from __future__ import annotations

from collections import OrderedDict


class Sequences:
    """The latest sequence of each key lately seen."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._latest: OrderedDict[str, int] = OrderedDict()

    def gap(self, key: str, sequence: int | None) -> int:
        """How many events of the key are missing before this one; 0 for repeated ones, and for keys not seen before."""
        if sequence is None:
            return 0
        latest = self._latest.get(key)
        if latest is not None and sequence <= latest:
            return 0
        self._latest[key] = sequence
        self._latest.move_to_end(key)
        if len(self._latest) > self._limit:
            self._latest.popitem(last=False)
        return 0 if latest is None else sequence - latest - 1
