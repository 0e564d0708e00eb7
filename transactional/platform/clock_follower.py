"""Keeps a process's clock on the offset that stands in PostgreSQL: read at start, and polled in simulation mode."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from lakefront.clock import CLOCK_POLL_SECONDS, Clock
from transactional.platform.database import Database

_READ = "SELECT offset_interval FROM clock"
_LONGEST_PAUSE = 5.0
log = structlog.get_logger(__name__)


async def read_offset(db: Database) -> timedelta:
    """The offset in force."""
    async with db.connection() as connection:
        row = await (await connection.execute(_READ)).fetchone()
    if row is None:
        raise LookupError("the table clock has lost its only row; the database must be restored")
    offset: timedelta = row[0]
    return offset


async def load(clock: Clock, db: Database) -> None:
    """Take over the offset; waits for PostgreSQL as long as it takes, since no business time is known without it."""
    pause = 0.1
    while True:
        try:
            clock.set_offset(await read_offset(db))
            return
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("clock_waits_for_database", error=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


async def follow(clock: Clock, db: Database) -> None:
    """Poll the offset until cancelled; for simulation mode, in which it moves."""
    while True:
        await asyncio.sleep(CLOCK_POLL_SECONDS)
        try:
            offset = await read_offset(db)
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("clock_not_read", error=str(error))
            continue
        if offset > clock.offset:
            clock.set_offset(offset)
