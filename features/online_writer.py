"""Writes stream features to the online store in Feast's own encoding, many entities in one pipeline.

Feast's own push takes 20 ms of CPU per view and call and its import 15 s and 200 MB; at ten pushes a second over six
views that is a core. A contract test holds what is written here to what Feast reads and to the bytes that Feast
writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.definitions import SESSION, View
from lakefront.feast_encoding import ENCODERS, decode, encode_time, entity_key, feature_field, time_field

LIFETIME_SECONDS = {SESSION: 2 * 86_400}
"""Real time after which an entity's features may go; others stay. Visits are many and soon over."""


@dataclass(frozen=True, slots=True)
class Row:
    """The features of one view and entity, as they are from ``event_time`` (business time) on."""

    view: View
    entity: str
    features: Mapping[str, Any]
    event_time: datetime


def add_rows(pipeline: Any, rows: Iterable[Row]) -> None:
    """Add the writing of rows to a Redis pipeline; each replaces the view's features of its entity."""
    for row in rows:
        key = entity_key(row.view.entity, row.entity)
        fields = {
            feature_field(row.view.name, name): ENCODERS[kind](row.features[name])
            for name, kind in row.view.features.items()
        }
        pipeline.hset(key, mapping={time_field(row.view.name): encode_time(row.event_time), **fields})
        lifetime = LIFETIME_SECONDS.get(row.view.entity)
        if lifetime is not None:
            pipeline.expire(key, lifetime)


def add_reads(pipeline: Any, places: Iterable[tuple[View, str]]) -> None:
    """Add the reading of views (with an entity each) to a Redis pipeline; ``read_answer`` reads each answer."""
    for view, entity in places:
        pipeline.hmget(entity_key(view.entity, entity), [feature_field(view.name, name) for name in view.features])


def read_answer(view: View, values: Sequence[bytes | None]) -> dict[str, Any]:
    """A view's features from the answer to ``add_reads``; None where nothing was written."""
    return dict(zip(view.features, map(decode, values), strict=True))
