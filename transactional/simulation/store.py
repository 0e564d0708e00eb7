"""SQL of the clock."""

from __future__ import annotations

from datetime import timedelta

from transactional.platform.database import Connection

_ADVANCE = "UPDATE clock SET offset_interval = offset_interval + %s RETURNING offset_interval"


async def advance(connection: Connection, by: timedelta) -> timedelta:
    """Move the clock forward and return the offset in force."""
    row = await (await connection.execute(_ADVANCE, [by])).fetchone()
    if row is None:
        raise LookupError("the table clock has lost its only row; the database must be restored")
    offset: timedelta = row[0]
    return offset
