"""What the operators' commands share: the database they work on, and what is said when there is none.

Status 1 of a command means that it found something wrong, 2 that it could not look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import psycopg
import typer
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lakefront.settings import settings
from transactional.platform.database import Database

Result = TypeVar("Result")
COULD_NOT_LOOK = 2
_CONNECT_SECONDS = 5


@contextmanager
def shop_database(console: Console) -> Iterator[str]:
    """The address of the shop's database. Where there is none, or it goes away meanwhile, says so and ends the command
    with status 2."""
    url = settings().database_url
    if not url:
        console.print("[red]No database:[/red] run `lakefront up`, or set LAKEFRONT_DATABASE_URL.", soft_wrap=True)
        raise typer.Exit(COULD_NOT_LOOK)
    try:
        # Once by hand: the pool would try for seconds, and log each time.
        psycopg.connect(url, connect_timeout=_CONNECT_SECONDS).close()
        yield url
    except (psycopg.OperationalError, PoolTimeout) as error:
        console.print(f"[red]The database cannot be reached:[/red] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(COULD_NOT_LOOK) from error


def with_database(console: Console, do: Callable[[Database], Awaitable[Result]]) -> Result:
    """What ``do`` finds in the shop's database; see ``shop_database``."""

    async def run(url: str) -> Result:
        db = await Database.open(url, 2)
        try:
            return await do(db)
        finally:
            await db.close()

    with shop_database(console) as url:
        return asyncio.run(run(url))


def show_differences(console: Console, statement: str, columns: Mapping[str, str], *, none: str, title: str) -> None:
    """Look for what should not be, by a statement that answers nothing where all is right (``none`` says so). Else shows its
    ``columns`` (headers by name) and ends the command with status 1."""
    with shop_database(console) as url, psycopg.connect(url, row_factory=dict_row) as connection:
        differences = connection.execute(statement.encode()).fetchall()
    if not differences:
        console.print(none)
        return
    table = Table(*columns.values(), title=title)
    for row in differences:
        table.add_row(*(str(row[name]) for name in columns))
    console.print(table)
    raise typer.Exit(1)
