"""``lakefront simulate``: days of trade in minutes, by shoppers with hidden tastes, through the public HTTP API."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from lakefront.secrets import secrets
from lakefront.settings import settings
from simulator.client import Client, NotSimulating, ShopUnavailable
from simulator.world import Plan, World, business_time_offset, stock_the_shelves

ANSWERS_WITHIN_SECONDS = 5.0
"""A shop that runs has answered by then; only one that was already at work is given time to restart."""

app = typer.Typer(help="Shoppers, fraudsters and a market around the shop.")


@app.callback(invoke_without_command=True)
def simulate(
    shoppers: Annotated[int, typer.Option(min=1, max=100_000, help="How many people live in this world.")] = 500,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days of business time to trade.")] = 21,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another world.")] = 1,
    batches: Annotated[int, typer.Option(min=1, max=48, help="Batches of visits a day.")] = 3,
) -> None:
    """Trade with hidden tastes, price sensitivities, frauds and late charge-backs over days of business time.

    The shop must run in simulation mode (`lakefront up --simulation`). It trades on whatever the shop lists; an empty
    shop is given the built-in catalogue. What is true of everybody stands in simulator/ of the data folder, for
    evaluation alone. A second run goes on where the first one ended, with its people.
    """
    console = Console()
    try:
        asyncio.run(_simulate(Plan(shoppers, seed, batches), days, console))
    except NotSimulating as error:
        console.print(f"[bold red]Nothing was simulated:[/] {error}. `lakefront up --simulation` switches to it.")
        raise typer.Exit(1) from None
    except ShopUnavailable as error:
        console.print(f"[bold red]The simulation stopped:[/] {error}")
        console.print("Is the shop running? `lakefront status` tells; `lakefront up --simulation` starts it.")
        raise typer.Exit(1) from None


async def _simulate(plan: Plan, days: int, console: Console) -> None:
    async with Client(settings().api_url, secrets().internal_key) as client:
        # First of all, so that a shop which is not there or cannot be simulated on is told at once, and left as it is.
        await business_time_offset(client, ANSWERS_WITHIN_SECONDS)
        listed = await client.request("GET", "/api/v1/products", params={"limit": "1"})
        if not listed.body.get("items"):
            count = await stock_the_shelves(client)
            console.print(f"The shop was empty: {count} products of the built-in catalogue are listed now.")
        world = await World.enter(client, plan, secrets(), settings().home)
        columns = (
            SpinnerColumn(),
            TextColumn("[bold]{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=16),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        )
        with Progress(*columns, console=console, expand=True) as progress:
            task = progress.add_task("Opening accounts", total=1.0, detail="")
            await world.open_accounts(lambda share, detail: progress.update(task, completed=share, detail=detail))
            progress.update(task, completed=1.0)
            task = progress.add_task(f"Trading {days} days", total=1.0, detail="")
            await world.trade(days, lambda share, detail: progress.update(task, completed=share, detail=detail))
        world.keep()
        console.print(table_of(world))


def table_of(world: World) -> Table:
    """What happened, as a table."""
    tally, traffic = world.tally, world.client.traffic
    table = Table(title=f"The world after day {world.state.day}", title_justify="left")
    table.add_column("what")
    table.add_column("how many", justify="right")
    rows: list[tuple[str, object]] = [
        ("visits", tally.visits),
        ("clicks accepted", traffic.events_accepted),
        ("clicks refused", traffic.events_rejected),
        ("orders taken", tally.orders),
        ("  of them frauds", tally.frauds),
        ("  of them held for review", tally.reviews),
        ("frauds declined by the shop", tally.declined_frauds),
        ("honest orders declined by the shop", tally.declined_honest),
        ("payments declined by the gateway", tally.payment_declined),
        ("charge-backs told", tally.chargebacks),
        ("baskets that met an empty shelf", tally.out_of_stock),
        ("baskets whose price had changed", tally.price_conflicts),
        ("price changes", tally.price_changes),
        ("deliveries", tally.deliveries),
        ("requests", traffic.requests),
        ("  sent again", traffic.sent_again),
    ]
    for name, value in rows:
        table.add_row(name, f"{value:,}")
    for refusal, count in sorted(tally.refused.items()):
        table.add_row(f"[yellow]answers of {refusal}", f"{count:,}")
    return table
