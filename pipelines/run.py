"""Running a job from the command line, the demo or a notebook: in this process, seen in Dagster's UI all the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from lakefront.clock import iso
from lakefront.settings import settings

if TYPE_CHECKING:
    import dagster as dg


CODE_LOCATION = "lakefront"
"""The name of our code location, as the Procfile and the workspace have it."""
REPOSITORY = "__repository__"
"""What Dagster calls the definitions of a code location."""


@dataclass(frozen=True)
class Step:
    """One step of a run. ``outcome``: done, skipped or failed; ``detail`` says why it was not done."""

    name: str
    outcome: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class PipelineReport:
    """What a run did. ``ok`` is False when a step failed; a skipped one (too little data, core away) does not fail it."""

    run_id: str
    ok: bool
    seconds: float
    steps: list[Step]
    failed_checks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def run_pipeline(
    as_of: datetime | None = None, *, select: Sequence[str] = (), job: str = "loop", quiet: bool = False
) -> PipelineReport:
    """Run a job (``loop``, ``refresh`` or ``maintenance``) through Dagster, in this process, at low priority.

    ``select`` keeps it to some assets, as Dagster's selection syntax names them ("key:gold/*", "group:models").
    """
    from pipelines.definitions import defs

    job_definition = defs.resolve_job_def(job)
    config: dict[str, Any] = {"loggers": {"progress": {"config": {"quiet": quiet}}}}
    if as_of is not None:
        config["resources"] = {"run": {"config": {"as_of": iso(as_of)}}}
    with instance() as dagster_instance:
        _let_runs_come_from_the_code_server(dagster_instance, job)
        result = job_definition.execute_in_process(
            run_config=config,
            instance=dagster_instance,
            raise_on_error=False,
            asset_selection=_selected(defs, job_definition, select),
            tags={"lakefront/started_by": "run_pipeline"},
        )
        return _report(result)


def _let_runs_come_from_the_code_server(instance: dg.DagsterInstance, job: str) -> None:
    """Name the code location in the runs that this instance makes: the UI's landing page and a job's page leave out others."""
    from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

    port = settings().dagster_code_port
    location = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=port, location_name=CODE_LOCATION)
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job)
    # Executing in this process has no parameter for it.
    instance.create_run_for_job = partial(instance.create_run_for_job, remote_job_origin=origin)  # type: ignore[method-assign]


def instance() -> dg.DagsterInstance:
    """The instance of this data folder, the one that the webserver and the daemon use."""
    import dagster as dg

    home = settings().home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").touch()
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.get()


def _selected(defs: dg.Definitions, job: dg.JobDefinition, select: Sequence[str]) -> list[dg.AssetKey] | None:
    """Asset keys of the job that a selection names; None for all. Raises ValueError when it names none."""
    import dagster as dg

    if not select:
        return None
    graph = defs.resolve_asset_graph()
    try:
        wanted = dg.AssetSelection.from_string(" or ".join(f"({one})" for one in select)).resolve(graph)
    except dg.DagsterError as error:
        raise ValueError(
            f"{' or '.join(select)} is no selection of assets; write it like 'key:gold/orders', 'key:gold/*' or 'group:models'"
        ) from error
    keys = sorted(wanted & set(graph.materializable_asset_keys) & set(job.asset_layer.executable_asset_keys))
    if not keys:
        raise ValueError(f"nothing in the job {job.name} is named by {' or '.join(select)}")
    return keys


def _report(result: dg.ExecuteInProcessResult) -> PipelineReport:
    """Read steps and checks out of the run's events."""
    import dagster as dg

    from pipelines.assets.outcome import SKIPPED

    steps: list[Step] = []
    failed_checks: list[str] = []
    reasons: dict[str, str] = {}
    for event in result.all_events:
        kind, name = event.event_type, event.step_key or ""
        if kind == dg.DagsterEventType.ASSET_OBSERVATION:
            entry = event.asset_observation_data.asset_observation.metadata.get(SKIPPED)
            if entry is not None:
                reasons[name] = str(entry.value)
        elif kind == dg.DagsterEventType.STEP_SUCCESS:
            outcome = "skipped" if name in reasons else "done"
            steps.append(Step(name, outcome, event.step_success_data.duration_ms / 1000, reasons.get(name, "")))
        elif kind == dg.DagsterEventType.STEP_SKIPPED:
            steps.append(Step(name, "skipped", 0.0, "what it needs gave nothing"))
        elif kind == dg.DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            cause = (error.cause or error) if error else None
            steps.append(Step(name, "failed", 0.0, cause.message.strip() if cause else ""))
        elif kind == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed:
                severity = evaluation.severity.value.lower()
                name = f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}"
                reason = f": {evaluation.description}" if evaluation.description else ""
                failed_checks.append(f"{name} ({severity}){reason}")
    seconds = sum(step.seconds for step in steps)
    return PipelineReport(result.run_id, result.success, round(seconds, 1), steps, failed_checks)
