"""``lakefront reviews``: prove that the ratings of products are what their reviews say."""

from __future__ import annotations

import typer
from rich.console import Console

from transactional.platform.operators import show_differences
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
    show_differences(
        console,
        store.DIFFERENCES,
        {"sku": "SKU", "kept": "kept", "counted": "counted"},
        none="Every rating is what the reviews say.",
        title="Stars, from one to five, that the reviews do not explain",
    )
