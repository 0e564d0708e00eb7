"""``lakefront up``, ``down``, ``status``, ``logs`` and ``restart``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lakefront.runtime import foreground, machine, orphans, processes
from lakefront.runtime.choice import PortTaken
from lakefront.runtime.postgres import PostgresError
from lakefront.runtime.redis_server import RedisError
from lakefront.runtime.supervisor import State
from lakefront.secrets import MERCHANDISER, where_password_stands
from lakefront.settings import Settings, data_folder, settings

if TYPE_CHECKING:
    import psutil

console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)
MERCHANDISERS_PAGE = "Merchandisers' page"

_COLOURS = {"RUNNING": "green", "STARTING": "yellow", "BACKOFF": "yellow", "STOPPING": "yellow"}


def up(
    simulation: Annotated[
        bool | None,
        typer.Option("--simulation/--no-simulation", help="Let the clock jump, trust simulated addresses."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for Dagster too.")] = False,
) -> None:
    """Start all processes of the Procfile under a supervisor that restarts a dead one.

    PostgreSQL and Redis are started too, unless LAKEFRONT_DATABASE_URL, LAKEFRONT_BUS_URL or LAKEFRONT_STORE_URL name
    servers of yours. Call it again at any time: it starts what does not run.
    """
    began = time.monotonic()
    with _explained(), console.status("starting …") as shown:

        def say(text: str) -> None:
            console.print(f"· {text}")
            shown.update("starting …")

        report = machine.up(simulation=simulation, wait=wait, say=say)
    seconds = time.monotonic() - began
    if report.was_running and not report.started:
        console.print("[green]everything is running already[/green]")
    else:
        console.print(f"[green]up[/green] after {seconds:.1f} s: {', '.join(report.started)}")
    console.print(addresses(report.settings))
    tell_simulation(report.settings)


def down() -> None:
    """Stop everything cleanly: first what uses the servers, then the servers."""

    def say(text: str) -> None:
        console.print(f"· {text}")

    with _explained(), console.status("stopping …"):
        was_demo = foreground.end(data_folder(), say)
        ran = machine.down(say) or was_demo
    console.print("[green]down[/green]" if ran else "nothing was running")


def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show what runs, and where to find it. Leaves with 1 when something that should run does not, or should not and does."""
    with _explained():
        found = machine.states()
        stranded = [] if found else [(each.pid, _name(each)) for each in machine.stranded()]
        crashes = machine.crashes() if found else {}
    if as_json:
        print(json.dumps(_as_json(found, stranded, crashes), indent=1))
    elif found:
        console.print(_states_table(found, crashes))
        console.print(addresses(settings()))
        tell_simulation(settings())
    elif stranded:
        listed = ", ".join(f"{name} ({pid})" for pid, name in stranded)
        console.print(f"[red]the supervisor has gone[/red], but {len(stranded)} of its processes still run: {listed}")
        console.print(
            "[bold]lakefront up[/bold] ends them and starts everything anew, [bold]lakefront down[/bold] ends them"
        )
    else:
        console.print(f"nothing runs in {data_folder()}: start it with [bold]lakefront up[/bold]")
    if stranded or not all(each.is_running for each in found):
        raise typer.Exit(1)


def logs(
    process: Annotated[str | None, typer.Argument(help="A process of the Procfile; all of them when left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing what is added, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines to show.", min=0)] = 50,
) -> None:
    """Show what processes say. The files stand in logs/ of the data folder."""
    folder = data_folder() / "logs"
    files = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if process is not None:
        if process not in files:
            errors.print(f"no log of {process!r}; there are: {', '.join(files) or 'none'}")
            raise typer.Exit(2)
        files = {process: files[process]}
    for name in files:
        for line in machine.tail(data_folder(), name, lines).splitlines() if lines else ():
            _show(name, line, alone=process is not None)
    if follow:
        try:
            for name, line in _added(files):
                _show(name, line, alone=process is not None)
        except KeyboardInterrupt:
            return


def restart(process: Annotated[str, typer.Argument(help="A process of the Procfile.")]) -> None:
    """Restart one process and wait until it runs."""
    with _explained():
        try:
            machine.restart(process)
        except KeyError as error:
            names = ", ".join(each.name for each in processes.procfile())
            raise typer.BadParameter(f"{process!r} does not run here; the processes are {names}") from error
    console.print(f"{process} runs anew")


def addresses(chosen: Settings) -> Table:
    """The addresses to open, for the end of ``up`` and ``demo``."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for title, address in _addresses(chosen).items():
        table.add_row(title, f"[link]{address}[/link]")
        if title == MERCHANDISERS_PAGE:
            table.add_row("  sign in as", MERCHANDISER)
            table.add_row("  password", where_password_stands(chosen.home))
    table.add_row("Data folder", str(chosen.home))
    return table


def _addresses(chosen: Settings) -> dict[str, str]:
    return {
        "API documentation": f"{chosen.api_url}/docs",
        MERCHANDISERS_PAGE: f"{chosen.dashboards_url}/",
        "Dagster": f"{chosen.dagster_url}/",
        "Metrics": f"{chosen.api_url}/metrics",
    }


def tell_simulation(chosen: Settings, to: Console = console) -> None:
    """Nothing of the shop looks different in simulation mode, so whoever looks at it is told."""
    if chosen.simulation:
        to.print(
            "[yellow]Simulation mode is on[/yellow]: the shop's clock may be moved forward, and simulated addresses are"
            " trusted. [bold]lakefront up --no-simulation[/bold] leaves it; the clock stays where it is then.",
            soft_wrap=True,
        )


def _as_json(found: list[State], stranded: list[tuple[int, str]], crashes: Mapping[str, int]) -> dict[str, Any]:
    """``status`` for programs."""
    processes_found = [
        {
            "name": each.name, "state": each.state, "pid": each.pid, "seconds": each.seconds, "detail": each.detail,
            "memory_bytes": _memory(each.pid) if each.pid else None, "crashes": crashes.get(each.name, 0),
        }
        for each in found
    ]  # fmt: skip
    return {
        "home": str(data_folder()),
        "simulation": settings().simulation if found else None,
        "addresses": _addresses(settings()) if found else {},
        "processes": processes_found,
        "leftovers": [{"pid": pid, "name": name} for pid, name in stranded],
    }


def _states_table(found: list[State], crashes: Mapping[str, int]) -> Table:
    """What all have, and on a narrow terminal no column that would be empty."""
    table = Table()
    for title in ("process", "state", "pid", "up", "memory"):
        table.add_column(title, no_wrap=True)
    some_crashed, some_say = any(crashes.values()), not all(each.is_running for each in found)
    if some_crashed:
        table.add_column("crashes")
    if some_say:
        table.add_column("what it says")
    for each in found:
        colour = _COLOURS.get(each.state, "red")
        minutes, seconds = divmod(int(each.seconds), 60)
        memory = _memory(each.pid) if each.pid else None
        table.add_row(
            each.name,
            f"[{colour}]{each.state.lower()}[/{colour}]",
            str(each.pid or ""),
            f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if each.pid else "",
            f"{memory / 1e6:,.0f} MB" if memory is not None else "",
            *([str(crashes.get(each.name) or "")] if some_crashed else []),
            *(["" if each.is_running else each.detail] if some_say else []),
        )
    return table


def _memory(pid: int) -> int | None:
    """Bytes of memory of a process and its children, shared pages counted once for each; None when it has gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])
    except psutil.Error:
        return None


def _name(process: psutil.Process) -> str:
    """The name that the Procfile gives a process, where its mark still tells."""
    import psutil

    try:
        return orphans.name_of(process) or process.name()
    except psutil.Error:
        return "ending"


def _show(name: str, line: str, *, alone: bool) -> None:
    print(line if alone else f"{name:>17} | {line}", flush=True)


def _added(files: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Lines as they are added, also when a file is cut by rotation."""
    places = {name: path.stat().st_size for name, path in files.items()}
    while True:
        quiet = True
        for name, path in files.items():
            size = path.stat().st_size
            if size < places[name]:
                places[name] = 0
            if size > places[name]:
                with path.open("rb") as log:
                    log.seek(places[name])
                    text = log.read()
                whole, newline, _ = text.rpartition(b"\n")
                places[name] += len(whole) + len(newline)
                for line in whole.decode(errors="replace").splitlines():
                    quiet = False
                    yield name, line
        if quiet:
            time.sleep(0.2)


@contextmanager
def _explained() -> Iterator[None]:
    """Say what went wrong in words, without a traceback, and leave with 1."""
    try:
        yield
    except (machine.NotReady, PortTaken, PostgresError, RedisError, RuntimeError, OSError) as error:
        errors.print(f"[red]{type(error).__name__}[/red]: ", end="")
        errors.print(str(error), markup=False, highlight=False)
        raise typer.Exit(1) from None
