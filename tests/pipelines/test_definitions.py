"""The graph as Dagster loads it: everything is there, nothing heavy is imported, jobs and schedules resolve."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from lakefront.lake.tables import EVENTS, GOLD, SILVER

HEAVY = ("pyspark", "feast", "lightgbm", "implicit", "sklearn", "scipy")


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    from pipelines.definitions import defs

    return defs


def test_every_table_of_the_lake_is_an_asset(defs: dg.Definitions) -> None:
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert {table.path for table in (EVENTS, *SILVER, *GOLD)} <= keys


def test_the_loop_reaches_from_silver_to_what_the_shop_reads(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    price = dg.AssetKey(["features", "product_price"])
    ancestors = {key.to_user_string() for key in graph.get_ancestor_asset_keys(price)}
    assert {
        "bronze/events",
        "silver/order_lines",
        "marts/product_days",
        "gold/product_days",
        "models/pricing",
    } <= ancestors


def test_jobs_resolve_and_hold_their_checks(defs: dg.Definitions) -> None:
    loop, refresh = defs.resolve_job_def("loop"), defs.resolve_job_def("refresh")
    assert refresh.asset_layer.executable_asset_keys < loop.asset_layer.executable_asset_keys
    assert dg.AssetKey(["models", "fraud"]) not in refresh.asset_layer.executable_asset_keys
    checks = {key.to_user_string() for key in refresh.asset_layer.asset_graph.asset_check_keys}
    assert {
        "bronze/events:uniqueness",
        "bronze/events:bronze_reconciliation",
        "silver/interactions:silver_uniqueness",
        "gold/days:gold_equals_silver",
        "gold/orders:gold_reconciliation",
    } <= checks
    assert any(key.startswith("marts/orders:unique") for key in checks)
    assert defs.resolve_job_def("maintenance").asset_layer.executable_asset_keys == {
        dg.AssetKey(["maintenance", "lake"])
    }


def test_schedules_and_sensor_are_defined(defs: dg.Definitions) -> None:
    assert defs.resolve_schedule_def("nightly_loop").job_name == "loop"
    assert defs.resolve_schedule_def("nightly_maintenance").job_name == "maintenance"
    assert defs.resolve_sensor_def("new_bronze").job_name == "refresh"


def test_gold_has_a_freshness_policy(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for table in GOLD:
        policy = graph.get(dg.AssetKey([table.layer, table.name])).freshness_policy
        assert isinstance(policy, dg.FreshnessPolicy), table.path


def test_loading_the_definitions_imports_nothing_heavy() -> None:
    """Every Dagster process loads them: Spark alone would cost each of them seconds and 100 MB."""
    code = f"import sys, pipelines.definitions; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
