"""``lakefront tariffs``: load exchange rates, taxes, duties and shipping tariffs from CSV files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from transactional.platform.database import Database
from transactional.platform.operators import with_database
from transactional.tariffs import service
from transactional.tariffs.exchange import BadRates
from transactional.tariffs.snapshot import FRESH_SECONDS

app = typer.Typer(no_args_is_help=True, help="Load exchange rates, taxes, duties and shipping tariffs.")
console = Console()
Load = Callable[[Database, str], Awaitable[int]]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file.")]


@app.callback()
def choose() -> None:
    """Load exchange rates, taxes, duties and shipping tariffs from CSV files."""


@app.command("exchange-rates")
def exchange_rates(file: File) -> None:
    """Add rates as the European Central Bank publishes them: eurofxref.csv or eurofxref-hist.csv."""
    _load(service.load_exchange_rates, file)


@app.command("taxes")
def taxes(file: File) -> None:
    """Replace the tax rates of the countries in a file: country,region,category,rate,is_inclusive,on_shipping."""
    _load(service.load_taxes, file)


@app.command("duties")
def duties(file: File) -> None:
    """Replace the duties of the countries in a file: country,category,rate,threshold,currency."""
    _load(service.load_duties, file)


@app.command("shipping")
def shipping(file: File) -> None:
    """Set the tariffs of shipping services; docs/how-to/price-an-order.md names the columns."""
    _load(service.load_shipping, file)


def _load(load: Load, file: Path) -> None:
    try:
        text = file.read_text(encoding="utf-8-sig")
        loaded = with_database(console, lambda db: load(db, text))
    except (BadRates, service.BadTariff, UnicodeDecodeError) as error:
        console.print(f"[red]{file}: {error}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(f"Loaded {loaded} rows from {file}; the shop uses them within {FRESH_SECONDS + 1:.0f} s.")
