"""Bronze, which the lake writer fills, and the silver tables that Spark derives from it."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from lakefront.lake.tables import EVENTS, SILVER
from pipelines.resources import PipelineRun

BRONZE = dg.AssetKey([EVENTS.layer, EVENTS.name])
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))

bronze = dg.AssetSpec(
    BRONZE,
    group_name="bronze",
    kinds={"delta"},
    description="Every event as it arrived, appended by the lake writer exactly once.",
)


@dg.multi_asset(
    name="silver",
    specs=[
        dg.AssetSpec(
            [table.layer, table.name], deps=[BRONZE], group_name="silver", kinds={"spark", "delta"},
            freshness_policy=FRESH, description=f"Silver: {table.name.replace('_', ' ')}, typed and deduplicated.",
        )
        for table in SILVER
    ],
)  # fmt: skip
def silver(context: dg.AssetExecutionContext, run: PipelineRun) -> Iterator[dg.MaterializeResult]:
    """Recompute the dates that new events of bronze touch."""
    from pipelines.spark.silver import update_silver

    done = update_silver()
    context.log.info(f"{done.events} new events on {done.dates} dates up to bronze version {done.bronze_version}")
    if done.unknown_types:
        context.log.warning(f"event types without a contract stay in bronze: {done.unknown_types}")
    for table in SILVER:
        yield dg.MaterializeResult(
            asset_key=[table.layer, table.name],
            metadata={
                "recomputed": table.name in done.tables,
                "bronze_version": done.bronze_version if done.bronze_version is not None else -1,
                "new_events": done.events,
                "unknown_types": done.unknown_types,
                "seconds": done.seconds,
            },
        )
