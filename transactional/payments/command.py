"""``lakefront payments``: prove that the payment ledger balances and says what the payments say."""

from __future__ import annotations

import asyncio

import psycopg
import typer
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.table import Table

from lakefront.settings import settings
from transactional.payments.ledger import LedgerReport, check_database
from transactional.platform.database import Database

app = typer.Typer(no_args_is_help=True, help="Payments and their double-entry ledger.")
console = Console(soft_wrap=True)


@app.callback()
def choose() -> None:
    """Payments and their double-entry ledger."""


@app.command("check")
def check() -> None:
    """Show what each account holds, and compare the ledger with itself and with every payment.

    Ends with status 1 where something differs, and shows what.
    """
    if not settings().database_url:
        console.print("[red]No database:[/red] run `lakefront up`, or set LAKEFRONT_DATABASE_URL.")
        raise typer.Exit(2)
    try:
        report = asyncio.run(_report())
    except (psycopg.OperationalError, PoolTimeout) as error:
        console.print(f"[red]The database cannot be reached:[/red] {error}")
        raise typer.Exit(2) from error
    table = Table("currency", "account", title="Debits less credits")
    table.add_column("balance", justify="right")
    for (currency, account), balance in report.balances.items():
        table.add_row(currency, account, f"{balance:,.4f}")
    console.print(table)
    for row in report.differences:
        console.print("differs: " + " ".join(f"{name}={value}" for name, value in row.items()))
    if not report.is_right:
        console.print("[red]The ledger is not right.[/red]")
        raise typer.Exit(1)
    console.print("The ledger balances and says what the payments say.")


async def _report() -> LedgerReport:
    db = await Database.open(settings().database_url)
    try:
        return await check_database(db)
    finally:
        await db.close()
