"""``lakefront inventory``: prove that the stock is the sum of its ledger."""

from __future__ import annotations

import psycopg
import typer
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from transactional.inventory import store
from transactional.platform.operators import shop_database

app = typer.Typer(no_args_is_help=True, help="The stock and its ledger.")
console = Console()


@app.callback()
def choose() -> None:
    """The stock and its ledger."""


@app.command("check")
def check() -> None:
    """Add up every movement of stock ever made and compare it with what is available.

    Ends with status 1 where they differ anywhere, and shows where; with 2 where the database cannot be reached.
    """
    with shop_database(console) as url, psycopg.connect(url, row_factory=dict_row) as connection:
        differences = connection.execute(store.LEDGER_DIFFERENCES).fetchall()
    if not differences:
        console.print("The stock is the sum of its ledger, everywhere.")
        return
    table = Table("SKU", "warehouse", "available", "ledger", title="Stock that its ledger does not explain")
    for row in differences:
        table.add_row(row["sku"], row["warehouse"], str(row["available"]), str(row["ledger"]))
    console.print(table)
    raise typer.Exit(1)
