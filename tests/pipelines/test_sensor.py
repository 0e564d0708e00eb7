"""The sensor asks for a refresh when bronze has something new, and never beside a run that is at work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from lakefront.clock import real_now
from lakefront.lake.access import open_table
from lakefront.lake.tables import EVENTS
from pipelines.jobs import refresh_for
from pipelines.spark.progress import Changes, record


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def asked(instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    return refresh_for(dg.build_sensor_context(instance=instance))


def commit(trade: Any, moment: Any) -> int:
    """One more event in bronze; returns bronze's version."""
    trade.view("session-x", trade.list_product(moment(0)), moment(0))
    trade.commit()
    bronze = open_table(EVENTS, trade.lake_uri)
    assert bronze is not None
    return bronze.version()


def test_an_empty_lake_asks_for_nothing(instance: dg.DagsterInstance, lake_uri: str) -> None:
    assert isinstance(asked(instance), dg.SkipReason)


def test_a_new_version_asks_once_until_the_next(instance: dg.DagsterInstance, trade: Any, moment: Any) -> None:
    commit(trade, moment)
    first = asked(instance)
    assert isinstance(first, dg.RunRequest)
    again = asked(instance)
    assert isinstance(again, dg.RunRequest)
    assert again.run_key == first.run_key  # Dagster starts no second run with the same key
    commit(trade, moment)
    next_one = asked(instance)
    assert isinstance(next_one, dg.RunRequest)
    assert next_one.run_key != first.run_key


def test_what_silver_has_seen_asks_for_nothing(instance: dg.DagsterInstance, trade: Any, moment: Any) -> None:
    version = commit(trade, moment)
    bronze = open_table(EVENTS, trade.lake_uri)
    assert bronze is not None
    record(bronze, Changes(through=version), {}, real_now(), 1.0)
    assert isinstance(asked(instance), dg.SkipReason)
    commit(trade, moment)
    assert isinstance(asked(instance), dg.RunRequest)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
def test_no_run_is_asked_for_while_one_is_at_work(
    instance: dg.DagsterInstance, trade: Any, moment: Any, status: dg.DagsterRunStatus
) -> None:
    commit(trade, moment)
    run = create_run_for_test(instance, job_name="loop", status=status)
    assert isinstance(asked(instance), dg.SkipReason)
    instance.delete_run(run.run_id)
    assert isinstance(asked(instance), dg.RunRequest)
