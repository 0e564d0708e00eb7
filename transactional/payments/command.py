"""``lakefront payments``: prove that the payment ledger balances and says what the payments say."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from transactional.payments.ledger import check_database
from transactional.platform.operators import with_database

app = typer.Typer(no_args_is_help=True, help="Payments and their double-entry ledger.")
console = Console(soft_wrap=True)


@app.callback()
def choose() -> None:
    """Payments and their double-entry ledger."""


@app.command("check")
def check() -> None:
    """Show what each account holds, and compare the ledger with itself and with every payment.

    Ends with status 1 where something differs, and shows what; with 2 where the database cannot be reached.
    """
    report = with_database(console, check_database)
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
