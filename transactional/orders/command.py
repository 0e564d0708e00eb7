"""``lakefront orders``: compare orders with their histories, rebuild them, look at one as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from transactional.orders import projection
from transactional.orders.history import BrokenHistory, OrderState
from transactional.platform.database import Database
from transactional.platform.operators import with_database

app = typer.Typer(no_args_is_help=True, help="Look at orders through their histories.")
console = Console()


@app.command()
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Write orders that differ anew from their histories.")
    ] = False,
) -> None:
    """Compare every order with what its history says.

    Ends with status 1 where one differs and was not repaired, with 2 where the database cannot be reached.
    """

    async def run(db: Database) -> int:
        left = 0
        async for findings in projection.check(db):
            for finding in findings:
                mended = repair and finding.repairable
                if mended:
                    await projection.rebuild(db, finding.order_id)
                left += not mended
                console.print(f"{finding.order_id}: {finding.problem}{', rebuilt' if mended else ''}", soft_wrap=True)
        return left

    left = with_database(console, run)
    if left:
        console.print(f"[red]{left} orders are not what their histories say.[/red]")
        raise typer.Exit(1)
    console.print("[green]Every order is what its history says.[/green]")


@app.command()
def show(
    order_id: Annotated[UUID, typer.Argument(help="The order's id.")],
    sequence: Annotated[int | None, typer.Option(help="After this fact, by default the last.")] = None,
    as_of: Annotated[datetime | None, typer.Option(help="At this moment of business time, by default in UTC.")] = None,
) -> None:
    """Show an order as it was, replayed from its history."""
    moment = as_of if as_of is None or as_of.tzinfo else as_of.replace(tzinfo=UTC)

    async def run(db: Database) -> OrderState:
        async with db.connection() as connection:
            return await projection.state_of(connection, order_id, sequence=sequence, moment=moment)

    try:
        state = with_database(console, run)
    except BrokenHistory as error:
        console.print(f"[red]Order {order_id}: {error}.[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    table = Table("column", "value", title=f"order {order_id} after fact {state.sequence}")
    for name, value in state.order.items():
        table.add_row(name, "" if value is None else str(value))
    for number, line in state.lines.items():
        table.add_row(f"line {number}", f"{line['quantity']} × {line['sku']} = {line['total']}")
    console.print(table)
