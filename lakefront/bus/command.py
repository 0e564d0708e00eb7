"""``lakefront bus``: look at what consumers could not process, and send it again once they can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from lakefront.bus import Bus, BusError, DeadLetter, connect
from lakefront.settings import settings

app = typer.Typer(no_args_is_help=True, help="The event bus: dead letters and their replay.")


T = TypeVar("T")
BATCH = 500


def _run(work: Callable[[Bus], Awaitable[T]]) -> T:
    """Do something with the bus of the settings; a bus that is away ends the command with a plain message."""

    async def opened() -> T:
        bus = connect(settings().bus_url)
        try:
            return await work(bus)
        finally:
            await bus.close()

    try:
        return asyncio.run(opened())
    except BusError as error:
        Console().print(f"[red]{error}[/red] Is it running? `lakefront status` tells.")
        raise typer.Exit(1) from error


async def _replay(bus: Bus, ids: set[str]) -> int:
    """Replay the letters of these ids, all that there are where none is named; letters parked meanwhile stay."""
    letters: list[DeadLetter] = await bus.dead_letters(1_000_000)
    chosen = [letter for letter in letters if not ids or letter.id in ids]
    unknown = ids - {letter.id for letter in chosen}
    if unknown:
        raise typer.BadParameter(f"no dead letter has the id {', '.join(sorted(unknown))}")
    return sum([await bus.replay(chosen[start : start + BATCH]) for start in range(0, len(chosen), BATCH)])


@app.command("dead-letters")
def dead_letters(
    limit: Annotated[int, typer.Option(min=1, help="Most letters to show, the oldest first.")] = 20,
    full: Annotated[bool, typer.Option("--full", help="Show whole payloads.")] = False,
) -> None:
    """Show the events that a consumer could not process, with the reason."""
    letters = _run(lambda bus: bus.dead_letters(limit))
    if not letters:
        Console().print("No dead letters.")
        return
    table = Table("id", "parked", "consumer", "from", "reason", "payload")
    for letter in letters:
        payload = letter.payload.decode(errors="replace")
        table.add_row(
            letter.id,
            f"{letter.parked_at:%Y-%m-%d %H:%M:%S}",
            letter.consumer,
            f"{letter.stream}:{letter.partition}:{letter.offset}",
            letter.reason,
            payload if full else payload[:80],
        )
    Console().print(table)


@app.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids as `dead-letters` shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
) -> None:
    """Put dead letters back on the bus, for the consumer that parked them, and forget them here."""
    if bool(ids) == everything:
        raise typer.BadParameter("name ids, or give --all")
    count = _run(lambda bus: _replay(bus, set(ids or [])))
    Console().print(f"{count} sent again.")
