"""Moves business time, in simulation mode only and only forward."""

from __future__ import annotations

from datetime import timedelta

from transactional.platform.core import Core
from transactional.platform.errors import Problem
from transactional.simulation import store


def require_simulation(core: Core) -> None:
    """Raises Problem 403 unless this runs in simulation mode."""
    if not core.settings.simulation:
        raise Problem(403, "not_simulating", "The clock moves in simulation mode only", "Start with --simulation.")


async def advance(core: Core, seconds: float) -> timedelta:
    """Jump forward. Other processes follow within a few polls of the clock."""
    require_simulation(core)
    async with core.db.connection() as connection:
        offset = await store.advance(connection, timedelta(seconds=seconds))
    if offset > core.clock.offset:
        core.clock.set_offset(offset)
    return core.clock.offset
