"""Runs from the command line: recorded where Dagster's UI reads, told in lines, one at a time, at low priority."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from lakefront.clock import iso
from pipelines import resources
from pipelines.resources import NICENESS, PipelineRun


@pytest.fixture(autouse=True)
def priority_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process must not lower the priority of the tests that follow."""
    monkeypatch.setattr(resources, "lower_priority", lambda: None)


def test_a_run_is_recorded_in_the_instance_of_the_data_folder(lakefront_home: Path, lake_uri: str) -> None:
    from pipelines.run import instance, run_pipeline

    report = run_pipeline(job="maintenance", quiet=True)

    assert (report.ok, [(step.name, step.outcome) for step in report.steps]) == (True, [("maintenance__lake", "done")])
    with instance() as recorded:
        run = recorded.get_run_by_id(report.run_id)
    assert run is not None
    assert (run.job_name, run.status) == ("maintenance", dg.DagsterRunStatus.SUCCESS)
    # Dagster's landing page shows runs of a code location, a job's page those of its repository.
    assert run.tags["dagster/code_location"] == "lakefront"
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.repository_origin.get_label() == "__repository__@lakefront"
    assert (lakefront_home / "dagster").is_dir()


def test_a_selection_runs_only_what_it_names(lakefront_home: Path, lake_uri: str) -> None:
    """Without anything in silver there is no business time: the step fails, says so, and the run with it."""
    from pipelines.run import run_pipeline

    report = run_pipeline(select=["key:models/pricing"], quiet=True)

    [step] = report.steps
    assert (report.ok, step.name, step.outcome) == (False, "models__pricing", "failed")
    assert "silver has no rows yet" in step.detail


def test_a_selection_that_names_nothing_is_refused(lakefront_home: Path) -> None:
    from pipelines.run import run_pipeline

    with pytest.raises(ValueError, match="key:models/weather"):
        run_pipeline(select=["key:models/weather"], quiet=True)


@pytest.mark.parametrize("selection", ["key:models/weather", "weather", "key:("])
def test_the_command_says_which_selection_was_wrong(lakefront_home: Path, selection: str) -> None:
    from pipelines.command import app

    result = CliRunner().invoke(app, ["run", "--select", selection])
    assert result.exit_code == 2
    assert selection in result.output


def test_the_command_says_when_nothing_runs(
    lakefront_home: Path, lake_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.command import app

    monkeypatch.delenv("LAKEFRONT_DATABASE_URL", raising=False)
    result = CliRunner().invoke(app, ["run", "--select", "key:models/pricing"])
    assert "nothing runs in" in result.output and "lakefront up" in result.output


def test_what_engines_print_goes_to_the_log_and_our_own_lines_stay(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; from pathlib import Path; from pipelines.engine_log import engines_write_to\n"
        "with engines_write_to(Path(sys.argv[1])) as terminal:\n"
        "    print('from python'); subprocess.run(['echo', 'from an engine']); print('silver done', file=terminal)\n"
        "print('afterwards')"
    )
    log = tmp_path / "logs" / "pipeline.log"
    done = subprocess.run([sys.executable, "-c", code, str(log)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["silver done", "afterwards"]
    assert sorted(log.read_text().splitlines()) == ["from an engine", "from python"]


def test_the_business_time_of_a_run_can_be_given(moment: Any, lakefront_home: Path) -> None:
    with dg.build_resources({"run": PipelineRun(as_of=iso(moment(3)))}) as made:
        assert made.run.moment() == moment(3)


def test_runs_take_turns(lakefront_home: Path) -> None:
    folder = lakefront_home / "dagster"
    folder.mkdir(parents=True)
    begun = threading.Event()

    def second() -> None:
        with dg.build_resources({"run": PipelineRun()}):
            begun.set()

    with (folder / "turn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=second)
        thread.start()
        assert not begun.wait(0.5)
    assert begun.wait(30)
    thread.join()


def test_a_run_lowers_its_priority_once() -> None:
    code = "import os; from pipelines.resources import lower_priority as low; low(); low(); print(os.nice(0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == max(NICENESS, os.nice(0))
