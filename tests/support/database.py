"""What stands in the application's database, asked by SQL."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI


async def sql(app: FastAPI, statement: Any, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, none of one that answers none."""
    async with app.state.core.db.connection() as connection:
        found = await connection.execute(statement, parameters)
        return await found.fetchall() if found.description else []
