"""``lakefront demo``: the whole loop on this machine, with a report, then the shop to look around in."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel

from lakefront.cli.machine import addresses, tell_simulation
from lakefront.demo import rounds
from lakefront.demo.report import Report
from lakefront.demo.stage import Stage
from lakefront.demo.steps import Demo, Options
from lakefront.runtime import foreground, machine
from lakefront.settings import data_folder, settings

app = typer.Typer(help="Start everything, fill it, run the loop once and report.")


@app.callback(invoke_without_command=True)
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Leave after the report: 0 when every step held, else 1.")
    ] = False,
    import_file: Annotated[
        Path | None,
        typer.Option("--import", exists=True, dir_okay=False, help="Run on a real order log (UCI Online Retail)."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON to this file.")] = None,
    shoppers: Annotated[int, typer.Option(min=20, help="How many people trade.")] = 300,
    days: Annotated[int, typer.Option(min=3, help="Days of the first history; fraud needs some 28.")] = 30,
    days_with_models: Annotated[int, typer.Option(min=1, help="Days of trade with the models in force.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another world.")] = 1,
) -> None:
    """Start everything on this machine, fill it, run the loop and report; then serve until Ctrl-C.

    A first run takes some minutes: shoppers with hidden tastes trade for weeks of business time, a pipeline learns from
    them, the shop decides with what it learned, and everything is compared and judged. Where the data folder holds a trained
    loop already, a short round shows that it still works.
    """
    console = Console()
    options = Options(shoppers, days, days_with_models, seed, import_file.resolve() if import_file else None)
    found = Report()
    try:
        with foreground.noted(data_folder()):
            asyncio.run(_until_stopped(options, found, console, once=once, file=report))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\nstopped before the end")
    raise typer.Exit(0 if found.ok else 1)


async def _until_stopped(options: Options, found: Report, console: Console, *, once: bool, file: Path | None) -> None:
    """Run the rounds, report, serve; whatever ends it, what was started is stopped."""
    me = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: me.cancel() if me is not None else None)
    was_running = machine.current_supervisor() is not None
    try:
        await _run(options, found, console)
        serves = was_running or not once
        _tell(found, console, file, serves=serves)
        if serves:
            tell_simulation(settings(), console)
        if not once:
            console.print("\n[bold]The shop serves until Ctrl-C.[/]")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if not (once and was_running):
            with console.status("stopping everything …"):
                await asyncio.to_thread(machine.down)
            console.print("everything is stopped; the data stays in " + str(data_folder()))


async def _run(options: Options, found: Report, console: Console) -> None:
    """The steps, in the order that the data folder asks for."""
    began = time.monotonic()
    stage, demo = Stage(console, found), Demo(options, found)
    try:
        await stage.step(rounds.START, demo.start, remedy=rounds.DOCTOR)
        if demo.was_trained:
            await rounds.short_round(stage, demo)
        elif options.import_file is not None:
            await rounds.import_round(stage, demo)
        else:
            await rounds.first_round(stage, demo)
    finally:
        await demo.close()
        found.seconds = time.monotonic() - began


def _tell(found: Report, console: Console, file: Path | None, *, serves: bool) -> None:
    """Show the report, and where to look on: addresses only of what goes on serving."""
    found.show(console)
    if file is not None:
        found.write(file)
        console.print(f"report written to {file}")
    if serves:
        console.print(Panel.fit(addresses(settings()), title="Where to look", title_align="left"))
    else:
        console.print("`lakefront up` starts the shop again with this data and says where to look.", markup=False)
