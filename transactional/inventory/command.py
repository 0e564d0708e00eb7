"""``lakefront inventory``: prove that the stock is the sum of its ledger."""

from __future__ import annotations

import typer
from rich.console import Console

from transactional.inventory import store
from transactional.platform.operators import show_differences

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
    show_differences(
        console,
        store.LEDGER_DIFFERENCES,
        {"sku": "SKU", "warehouse": "warehouse", "available": "available", "ledger": "ledger"},
        none="The stock is the sum of its ledger, everywhere.",
        title="Stock that its ledger does not explain",
    )
