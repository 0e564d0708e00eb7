"""Feast views, made of the views of ``features.definitions``: one wide view per entity and writer."""

from __future__ import annotations

from datetime import timedelta

from feast import FeatureView, Field, FileSource, PushSource
from feast.types import Array, FeastType, Float32, Float64, String

from features.definitions import DOUBLE, DOUBLES, FLOATS, STRING, STRINGS, VIEWS
from features.entities import ENTITIES

_TYPES: dict[str, FeastType] = {
    STRING: String,
    DOUBLE: Float64,
    STRINGS: Array(String),
    DOUBLES: Array(Float64),
    FLOATS: Array(Float32),
}


def feature_views(batch: dict[str, FileSource], push: dict[str, PushSource]) -> dict[str, FeatureView]:
    """All views by name. ``ttl`` bounds historical joins only; who reads online judges the event time."""
    return {
        name: FeatureView(
            name=name,
            entities=[ENTITIES[view.entity]],
            ttl=timedelta(days=view.ttl_days),
            schema=[Field(name=feature, dtype=_TYPES[kind]) for feature, kind in view.features.items()],
            source=push.get(name, batch[name]),
            online=True,
        )
        for name, view in VIEWS.items()
    }
