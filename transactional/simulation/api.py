"""The clock of simulation mode, for our own processes."""

from __future__ import annotations

from fastapi import APIRouter

from transactional.platform.authentication import InternalDep
from transactional.platform.core import Core, CoreDep
from transactional.platform.errors import responses
from transactional.simulation import service
from transactional.simulation.schemas import AdvanceClock, ClockAnswer

router = APIRouter(prefix="/simulation", tags=["simulation"])


@router.get("/clock", summary="Read business time", responses=responses(401, 403))
async def clock(core: CoreDep, _: InternalDep) -> ClockAnswer:
    """Business time of the worker that answers."""
    service.require_simulation(core)
    return _answer(core)


@router.post("/clock", summary="Jump forward in business time", responses=responses(400, 401, 403, 422))
async def advance_clock(core: CoreDep, _: InternalDep, jump: AdvanceClock) -> ClockAnswer:
    """Moves the clock of all processes; the others follow within half a second."""
    await service.advance(core, jump.advance_seconds)
    return _answer(core)


def _answer(core: Core) -> ClockAnswer:
    return ClockAnswer(now=core.clock.now(), offset_seconds=core.clock.offset.total_seconds())
