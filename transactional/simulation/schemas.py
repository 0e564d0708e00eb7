"""Requests and answers of the simulation's clock."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_LONGEST_JUMP = 366 * 86_400


class ClockAnswer(BaseModel):
    """Business time."""

    now: datetime
    offset_seconds: float


class AdvanceClock(BaseModel):
    """How far to jump."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"advance_seconds": 3600}]})

    advance_seconds: Annotated[float, Field(gt=0, le=_LONGEST_JUMP)]
