"""dbt's models in the scratch file, and the marts published from it as the gold tables."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets
from packaging.version import Version

from lakefront.lake.tables import GOLD
from pipelines import dbt_project
from pipelines.assets.silver import FRESH
from pipelines.resources import PipelineRun


class Names(DagsterDbtTranslator):
    """Sources are the silver assets; models stand under the name of their folder."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey(["silver", dbt_resource_props["name"]])
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return "dbt"


class Dbt(DbtCliResource):
    """dbt of this environment. What the library asks dbt for each time is known here: it costs ten seconds of a run."""

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        """No adapter in Dagster's process: it serves to fetch column metadata, which we do not."""
        return None


def dbt_resource() -> Dbt:
    """dbt on our project."""
    return Dbt(
        project_dir=str(dbt_project.PROJECT),
        profiles_dir=str(dbt_project.PROJECT),
        dbt_executable=str(dbt_project.executable()),
    )


@dbt_assets(manifest=dbt_project.manifest(), dagster_dbt_translator=Names(), name="dbt")
def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource, run: PipelineRun) -> Iterator[Any]:
    """Compute and test all models at the run's business time."""
    from pipelines.gold import dbt_variables

    os.environ.update(dbt_project.environment())
    invocation = dbt.cli(
        ["build", "--vars", dbt_variables(run.moment())],
        context=context,
        target_path=dbt_project.folder() / "target",
    )
    yield from invocation.stream()


@dg.multi_asset(
    name="gold",
    specs=[
        dg.AssetSpec(
            [table.layer, table.name], deps=[["marts", table.name]], group_name="gold", kinds={"delta"},
            freshness_policy=FRESH, description=f"Gold: {table.name.replace('_', ' ')}, as people and models read it.",
        )
        for table in GOLD
    ],
)  # fmt: skip
def gold(run: PipelineRun) -> Iterator[dg.MaterializeResult]:
    """Publish the marts to Delta."""
    from pipelines.gold import publish_gold

    rows = publish_gold()
    for table in GOLD:
        yield dg.MaterializeResult(
            asset_key=[table.layer, table.name], metadata={"dagster/row_count": rows[table.name]}
        )
