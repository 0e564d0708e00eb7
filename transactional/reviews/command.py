"""``lakefront reviews``: prove that the ratings of products are what their reviews say."""

from __future__ import annotations

import psycopg
import typer
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from transactional.platform.operators import shop_database
from transactional.reviews import store

app = typer.Typer(no_args_is_help=True, help="Reviews and ratings.")
console = Console()


@app.callback()
def choose() -> None:
    """Reviews and ratings."""


@app.command("check")
def check() -> None:
    """Count the stars of all reviews that are shown and compare them with the ratings of their products.

    Ends with status 1 where they differ anywhere, and shows where; with 2 where the database cannot be reached.
    """
    with shop_database(console) as url, psycopg.connect(url, row_factory=dict_row) as connection:
        differences = connection.execute(store.DIFFERENCES).fetchall()
    if not differences:
        console.print("Every rating is what the reviews say.")
        return
    table = Table("SKU", "kept", "counted", title="Stars, from one to five, that the reviews do not explain")
    for row in differences:
        table.add_row(row["sku"], str(row["kept"]), str(row["counted"]))
    console.print(table)
    raise typer.Exit(1)
