"""The jobs, when they run by themselves, and the sensor that follows bronze."""

import dagster as dg

from lakefront.lake.access import open_table
from lakefront.lake.tables import EVENTS
from lakefront.settings import settings
from pipelines.assets.silver import BRONZE

_MAINTENANCE = dg.AssetSelection.groups("maintenance")
_LAKE = dg.AssetSelection.groups("silver", "dbt", "gold")
_OF_BRONZE = dg.AssetSelection.checks_for_assets(
    BRONZE
)  # nothing of ours writes it, so that no selection brings its checks

loop = dg.define_asset_job(
    "loop",
    selection=(dg.AssetSelection.all() - _MAINTENANCE) | _OF_BRONZE,
    description="The whole loop: silver, gold, models, publishing.",
)
refresh = dg.define_asset_job(
    "refresh", selection=_LAKE | _OF_BRONZE, description="Silver and gold brought up to bronze; no training."
)
maintenance = dg.define_asset_job("maintenance", selection=_MAINTENANCE, description="Housekeeping of the lake.")

JOBS = [loop, refresh, maintenance]
SCHEDULES = [
    dg.ScheduleDefinition(
        name="nightly_loop", job=loop, cron_schedule="0 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
    ),
    dg.ScheduleDefinition(
        name="nightly_maintenance",
        job=maintenance,
        cron_schedule="30 4 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
]

_AT_WORK = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def refresh_for(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a refresh when bronze has commits that silver has not seen and no run is at work."""
    from pipelines.spark.progress import last_version

    bronze = open_table(EVENTS)
    if bronze is None:
        return dg.SkipReason("nothing has reached bronze yet")
    version, seen = bronze.version(), last_version(bronze)
    if seen is not None and seen >= version:
        return dg.SkipReason(f"silver has seen bronze version {version}")
    if context.instance.get_runs_count(dg.RunsFilter(statuses=_AT_WORK)):
        return dg.SkipReason("a run is at work")
    return dg.RunRequest(
        run_key=f"bronze-{bronze.metadata().id}-{version}", tags={"lakefront/bronze_version": str(version)}
    )


@dg.sensor(
    name="new_bronze",
    job=refresh,
    minimum_interval_seconds=300,
    # In simulation days pass in minutes and whoever moves the clock starts the runs; it can be switched on in the UI.
    default_status=dg.DefaultSensorStatus.STOPPED if settings().simulation else dg.DefaultSensorStatus.RUNNING,
)
def new_bronze(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Follows bronze: new versions bring silver and gold up to date."""
    return refresh_for(context)


SENSORS = [new_bronze]
