"""``lakefront orders``: compare orders with their histories, rebuild them, look at one as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import psycopg
import typer
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.table import Table

from lakefront.settings import settings
from transactional.orders import projection
from transactional.orders.history import BrokenHistory, OrderState
from transactional.platform.database import Database

app = typer.Typer(no_args_is_help=True, help="Look at orders through their histories.")
console = Console()


def _with_database(do: Callable[[Database], Awaitable[Any]]) -> Any:
    if not settings().database_url:
        console.print("[red]No database: run `lakefront up`, or set LAKEFRONT_DATABASE_URL.[/red]", soft_wrap=True)
        raise typer.Exit(1)

    async def run() -> Any:
        db = await Database.open(settings().database_url)
        try:
            return await do(db)
        finally:
            await db.close()

    try:
        return asyncio.run(run())
    except (psycopg.OperationalError, PoolTimeout) as error:
        console.print(f"[red]The database cannot be reached:[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from error


@app.command()
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Write orders that differ anew from their histories.")
    ] = False,
) -> None:
    """Compare every order with what its history says. Leaves with 1 when one differs and was not repaired."""

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

    left = _with_database(run)
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
        state: OrderState = _with_database(run)
    except BrokenHistory as error:
        console.print(f"[red]Order {order_id}: {error}.[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    table = Table("column", "value", title=f"order {order_id} after fact {state.sequence}")
    for name, value in state.order.items():
        table.add_row(name, "" if value is None else str(value))
    for number, line in state.lines.items():
        table.add_row(f"line {number}", f"{line['quantity']} × {line['sku']} = {line['total']}")
    console.print(table)
