"""Entry point of Dagster: everything that is defined in this package, merged."""

import dagster as dg

from pipelines.assets import gold, maintenance, models, publishing, silver
from pipelines.assets.checks import CHECKS
from pipelines.jobs import JOBS, SCHEDULES, SENSORS
from pipelines.progress_log import progress
from pipelines.resources import PipelineRun

defs = dg.Definitions(
    assets=[silver.bronze, *dg.load_assets_from_modules([silver, gold, models, publishing, maintenance])],
    asset_checks=CHECKS,
    jobs=JOBS,
    schedules=SCHEDULES,
    sensors=SENSORS,
    resources={"run": PipelineRun(), "dbt": gold.dbt_resource()},
    loggers={"console": dg.colored_console_logger, "progress": progress},
    executor=dg.in_process_executor,  # one process, so one Spark session and one import of everything heavy
)
