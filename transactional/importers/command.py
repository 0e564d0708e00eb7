"""``lakefront import``: fill the shop from a catalogue file, or from an order log of the real world."""

from __future__ import annotations

import csv
import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lakefront.money import amounts_text
from transactional.importers.catalogue import Outcome, import_catalogue
from transactional.importers.catalogue_rows import BadFile, read_mapping_file
from transactional.importers.online_retail import import_log
from transactional.importers.online_retail_log import REASONS, BadLog
from transactional.platform.database import Database
from transactional.platform.operators import shop_database, with_database

app = typer.Typer(no_args_is_help=True, help="Fill the shop from a catalogue or an order log.")
console = Console()
SHOWN = 20


@app.callback()
def choose() -> None:
    """Fill the shop from a catalogue or an order log."""


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


@app.command("catalogue")
def catalogue(
    file: Annotated[Path, typer.Argument(help="The catalogue, as .csv or .parquet.", exists=True, dir_okay=False)],
    mapped: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN; FIELD=FIRST|SECOND takes the first that is filled.")
    ] = None,
    fixed: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE for all rows.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help=r"TOML of \[columns] and \[values].", exists=True, dir_okay=False)
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(help="What stands between cells of a CSV file, or TAB; else its header tells: , ; tab or |."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the bad rows there, as CSV of line and reason.")] = None,
) -> None:
    r"""Import products: sku, title, category and price, and what else a product has, such as attributes.colour or
    stock.main. Rows that name the same parent become variants of one product, by columns such as options.size.

    --mapping is a TOML file of \[columns] (field = "column") and \[values] (field = "value"); --map and --set say more.

    Bad rows are told with their line and the reason, good ones kept. What is listed already is left as it is.
    """
    started = time.monotonic()

    async def run(db: Database) -> Outcome:
        said = lambda line: console.print(f"[dim]{line}[/dim]")  # noqa: E731
        between = "\t" if delimiter in ("TAB", "tab", r"\t") else delimiter
        return await import_catalogue(db, file, [*columns, *(mapped or [])], [*values, *(fixed or [])], said, between)

    if report is not None:
        check_writable(report)
    try:
        columns, values = read_mapping_file(mapping) if mapping else ([], [])
        outcome = with_database(console, run)
    except BadFile as error:
        console.print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    for number, reason in outcome.bad[:SHOWN]:
        console.print(f"line {number}: {escape(reason)}", soft_wrap=True)
    if len(outcome.bad) > SHOWN:
        console.print(f"… and {len(outcome.bad) - SHOWN:,} more bad rows; --report writes all.")
    for sku, left_out in list(outcome.incomplete.items())[:SHOWN]:
        console.print(
            f"{escape(sku)} is listed without line{'s' if len(left_out) > 1 else ''} {', '.join(map(str, left_out))}: "
            "mend the file and import it again, and what is missing is added.",
            soft_wrap=True,
        )
    if report is not None:
        with report.open("w", newline="") as target:
            csv.writer(target).writerows([("line", "reason"), *outcome.bad])
    console.print(
        f"{outcome.rows:,} rows: {outcome.listed:,} listed as {outcome.products:,} products, {outcome.known:,} known before, "
        f"{len(outcome.bad):,} bad, in {time.monotonic() - started:.0f} s."
    )
    if outcome.rows and not outcome.listed and not outcome.known:
        raise typer.Exit(1)


def check_writable(report: Path) -> None:
    """Told before the import, which may take minutes. A report that is there already stays until there is another."""
    try:
        report.open("a").close()
    except OSError as error:
        console.print(f"[red]{escape(str(report))} cannot be written: {error.strerror}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error


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
