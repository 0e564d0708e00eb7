"""``lakefront pipeline``: run the loop's data side, look whether the lake agrees with the core, keep the lake tidy."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from lakefront.money import amounts_text
from lakefront.settings import settings

if TYPE_CHECKING:
    from pipelines.checks.reconciliation import Reconciliation

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Run the data pipeline from bronze to published models."
)
console = Console()


@app.command()
def run(
    select: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these assets, in Dagster's selection syntax: 'group:models', 'key:gold/*'. Repeatable."
        ),
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(help="Business time (UTC) that gold and models are taken at; default: the newest in silver."),
    ] = None,
    data_only: Annotated[bool, typer.Option("--data-only", help="Silver and gold, no training or publishing.")] = False,
) -> None:
    """Bring silver and gold up to bronze, train the models, publish what passes its gate.

    Runs at low priority and shows in Dagster's UI like any other run. Leaves with 1 when a step failed; a model that has too
    little data is skipped and says so.
    """
    from datetime import UTC

    from pipelines.engine_log import engines_write_to
    from pipelines.progress_log import shown_on
    from pipelines.run import run_pipeline

    moment = as_of.replace(tzinfo=as_of.tzinfo or UTC) if as_of else None
    log = settings().home / "logs" / "pipeline.log"
    _tell_if_nothing_runs()
    try:
        with engines_write_to(log) as terminal, shown_on(terminal):
            report = run_pipeline(moment, select=select or (), job="refresh" if data_only else "loop")
    except ValueError as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(2) from error
    grid = Grid(title=f"Run {report.run_id[:8]}")
    for heading in ("step", "", "seconds", "why"):
        grid.add_column(heading, justify="right" if heading == "seconds" else "left", overflow="fold")
    colours = {"done": "green", "skipped": "yellow", "failed": "red"}
    for step in report.steps:
        grid.add_row(step.name, f"[{colours[step.outcome]}]{step.outcome}[/]", f"{step.seconds:.1f}", step.detail)
    console.print(grid)
    for check in report.failed_checks:
        console.print("[yellow]check did not hold:[/yellow]", escape(check.splitlines()[0]), soft_wrap=True)
    for step in report.steps:
        if step.outcome == "failed":
            reason = step.detail.splitlines()[0] if step.detail else "see its log"
            console.print(f"[red]{step.name} failed[/red]:", escape(reason), soft_wrap=True)
    if report.ok:
        but = f", but {len(report.failed_checks)} of the checks did not" if report.failed_checks else ""
        console.print(f"all steps held{but}, {report.seconds:.0f} s")
    if not report.ok:
        console.print(f"what Spark, dbt and the trainers said stands in {log}", soft_wrap=True)
        raise typer.Exit(1)


def _tell_if_nothing_runs() -> None:
    """The lake can be worked on alone, but what comes of it is not what somebody expects who forgot to start the shop."""
    from lakefront.runtime import choice, machine

    if machine.current_supervisor() is None and not choice.Wishes().database_url:
        console.print(
            f"[yellow]nothing runs in {settings().home}[/yellow]: nothing new reaches bronze, it cannot be compared with the"
            " core, and nothing can be published; [bold]lakefront up[/bold] starts everything",
            soft_wrap=True,
        )


@app.command()
def silver(
    rebuild: Annotated[bool, typer.Option(help="Compute everything anew instead of the dates that changed.")] = False,
) -> None:
    """Bring silver up to bronze, without Dagster."""
    from pipelines.spark.silver import update_silver

    done = update_silver(rebuild=rebuild)
    console.print(
        f"{done.events:,} new events on {done.dates} dates, {len(done.tables)} tables rewritten, {done.seconds:.1f} s"
    )
    for event_type, count in done.unknown_types.items():
        console.print(f"[yellow]{count:,} events of the unknown type {event_type} stay in bronze[/yellow]")


@app.command()
def reconcile(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Compare the core's orders with bronze and gold. Leaves with 1 when bronze lacks or doubles something."""
    from pipelines.checks.reconciliation import CoreDatabaseUnreachable, reconcile

    try:
        found = reconcile()
    except CoreDatabaseUnreachable as error:
        console.print(f"[red]{error}[/red] Is `lakefront up` running?")
        raise typer.Exit(2) from error
    if as_json:
        print(json.dumps(found.as_dict()))
    else:
        grid = Grid(title="Core and lake")
        grid.add_column("")
        grid.add_column("", justify="right", overflow="fold")
        for name, value in _figures(found):
            grid.add_row(name, value)
        console.print(grid)
        console.print(_verdict(found))
    if not found.bronze_holds:
        raise typer.Exit(1)


def _figures(found: Reconciliation) -> list[tuple[str, str]]:
    """What a person compares; orders that are wrong are named only where there are some."""
    faults = {
        "orders that bronze lacks": found.missing_in_bronze,
        "orders that the core does not know": found.unknown_in_core,
        "orders that gold lacks so far": found.missing_in_gold,
        "orders that gold has otherwise": found.different_in_gold,
    }
    return [
        ("orders in the core", f"{found.orders_core:,}"),
        ("orders in bronze", f"{found.orders_bronze:,}"),
        ("orders on the way to bronze", f"{found.orders_waiting:,}"),
        ("orders in gold", f"{found.orders_gold:,}"),
        ("revenue in the core", amounts_text(found.revenue_core)),
        ("revenue in gold", amounts_text(found.revenue_gold)),
        ("events in bronze, of all kinds", f"{found.events_bronze:,}"),
        ("of them sent by shoppers' clients", f"{found.clicks_bronze:,}"),
        ("rows that stand twice in bronze", f"{found.duplicates_bronze:,}"),
        *((name, ", ".join(orders)) for name, orders in faults.items() if orders),
    ]


def _verdict(found: Reconciliation) -> str:
    if not found.bronze_holds:
        return (
            "[red]bronze is not what the core has[/red]: read `lakefront logs relay` and `lakefront logs lake-writer`"
        )
    if found.different_in_gold:
        return "[yellow]bronze holds; gold has other figures[/yellow]: `lakefront pipeline run` brings it up to date"
    if not found.gold_holds:
        return "[yellow]bronze holds; gold is behind[/yellow]: `lakefront pipeline run` brings it up to date"
    return "[green]core, bronze and gold agree[/green]"


@app.command()
def maintain() -> None:
    """Compact bronze's closed dates and remove files that nobody reads any more."""
    from pipelines.compaction import maintain

    done = maintain()
    console.print(
        f"{len(done.dates)} dates compacted, {done.files_before} files became {done.files_after}; "
        f"{done.files_removed} old files removed"
    )
