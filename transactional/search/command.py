"""``lakefront search``: build the index anew while the old one serves."""

from __future__ import annotations

import typer
from rich.console import Console

from lakefront.bus import BusError, connect
from lakefront.settings import settings
from transactional.platform.database import Database
from transactional.platform.operators import COULD_NOT_LOOK, with_database
from transactional.search.building import BuildUnderWay, build
from transactional.search.index import IndexFolder
from transactional.search.news import NewsLost

app = typer.Typer(no_args_is_help=True, help="The search index.")
console = Console()


@app.callback()
def choose() -> None:
    """The search index."""


@app.command("rebuild")
def rebuild() -> None:
    """Build the index from scratch out of PostgreSQL. The old one answers until the new one takes its place at once.

    Ends with status 1 where another build is under way, with 2 where the database or the bus cannot be reached.
    """
    chosen = settings()

    async def do(db: Database) -> tuple[str, int]:
        bus = connect(chosen.bus_url)
        try:
            with console.status("building …") as shown:
                return await build(
                    IndexFolder(chosen.search_folder), db, bus, chosen.bus_partitions,
                    lambda number: shown.update(f"building … {number:,} products"),
                )  # fmt: skip
        finally:
            await bus.close()

    try:
        name, number = with_database(console, do)
    except (BuildUnderWay, NewsLost) as error:
        console.print(f"[red]Not built:[/red] {error}.")
        raise typer.Exit(1) from error
    except (BusError, ValueError) as error:
        console.print(f"[red]The bus cannot be reached:[/red] {error}", soft_wrap=True)
        raise typer.Exit(COULD_NOT_LOOK) from error
    console.print(f"Built {name} with {number:,} products; every worker answers from it within a second.")
