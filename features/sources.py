"""Feast sources: the Delta table of each view's history, and for the stream views a push source before it."""

from __future__ import annotations

from feast import FileSource, PushSource
from feast.data_format import DeltaFormat

from features.definitions import STREAM_VIEWS, VIEWS
from features.offline import CREATED_TIME, EVENT_TIME, HISTORY
from lakefront.lake.access import uri


def batch_sources(lake_uri: str | None = None) -> dict[str, FileSource]:
    """Per view the table with its history."""
    return {
        name: FileSource(
            name=f"{name}_history",
            path=uri(HISTORY[name], lake_uri),
            file_format=DeltaFormat(),
            timestamp_field=EVENT_TIME,
            created_timestamp_column=CREATED_TIME,
        )
        for name in VIEWS
    }


def push_sources(batch: dict[str, FileSource]) -> dict[str, PushSource]:
    """Per stream view the source that the feature writer pushes to."""
    return {view.name: PushSource(name=f"{view.name}_push", batch_source=batch[view.name]) for view in STREAM_VIEWS}
