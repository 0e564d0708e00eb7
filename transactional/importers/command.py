"""``lakefront import``: fill the shop from an order log of the real world."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lakefront.money import amounts_text
from transactional.importers.online_retail import import_log
from transactional.importers.online_retail_log import REASONS, BadLog
from transactional.platform.operators import shop_database

app = typer.Typer(no_args_is_help=True, help="Fill the shop from an order log.")
console = Console()


@app.callback()
def choose() -> None:
    """Fill the shop from an order log."""


@app.command("online-retail")
def online_retail(
    file: Annotated[Path, typer.Argument(help="The UCI Online Retail log, as .parquet or .csv.")],
) -> None:
    """Import the UCI Online Retail log: catalogue, customers, price history and a year of past orders.

    A second run changes nothing. What was left out is shown with the reason.
    """
    started = time.monotonic()
    try:
        with shop_database(console) as url:
            changed, summary = import_log(file, url, lambda line: console.print(f"[dim]{line}[/dim]"))
    except BadLog as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    show(summary)
    if changed:
        console.print(f"Imported in {time.monotonic() - started:.0f} s; the events are on their way to the lake.")
    else:
        console.print("This file has been imported before: nothing was changed.")


def show(summary: dict[str, Any]) -> None:
    """What was taken, what was left out and why; the amounts add up to the file's."""
    taken = summary["taken"]
    table = Table("lines", "lines of the file", "amount", "why", title="Online Retail", title_justify="left")
    table.columns[1].justify = table.columns[2].justify = "right"
    table.add_row("taken", f"{taken['lines']:,}", _amount(taken["amount"]), "sales of products to known customers")
    for one in summary["left_out"]:
        table.add_row("left out", f"{one['lines']:,}", _amount(one["amount"]), REASONS[one["reason"]])
    table.add_section()
    table.add_row("all", f"{summary['file']['lines']:,}", _amount(summary["file"]["amount"]), "")
    console.print(table)
    console.print(
        f"{taken['products']:,} products with {taken['prices']:,} prices, {taken['customers']:,} customers, "
        f"{taken['orders']:,} orders over {amounts_text({taken['currency']: taken['orders_total']})}, "
        f"{taken['events']:,} events."
    )
    # a shop that imported before this was counted has no such entry
    if unknown := summary.get("unknown_countries"):
        named = ", ".join(f"{name} ({customers:,})" for name, customers in unknown.items())
        console.print(f"[yellow]taken without a country, as these are not known (customers): {escape(named)}[/yellow]")


def _amount(text: str) -> str:
    amount = Decimal(text)
    return f"{amount:,.2f}" if amount == round(amount, 2) else f"{amount.normalize():,f}"
