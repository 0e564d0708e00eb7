"""Housekeeping of the lake."""

from dataclasses import asdict

import dagster as dg

from pipelines.assets.silver import BRONZE
from pipelines.resources import PipelineRun


@dg.asset(key=["maintenance", "lake"], deps=[BRONZE], group_name="maintenance")
def lake(run: PipelineRun) -> dg.MaterializeResult:
    """Compact bronze's closed dates and remove files that nobody reads any more."""
    from pipelines.compaction import maintain

    return dg.MaterializeResult(metadata=asdict(maintain()))
