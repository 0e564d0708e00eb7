"""What every run has: its turn (one run at a time on a machine), low priority, and one business time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import dagster as dg
from pydantic import PrivateAttr

from lakefront.settings import settings

NICENESS = 10
"""A run shares the machine with the shop, which goes first."""


class PipelineRun(dg.ConfigurableResource["PipelineRun"]):
    """The run's frame: entered by its first asset, left at its end."""

    as_of: str | None = None
    """Business time of the run, ISO 8601; None: the greatest occurred_at in silver when it is first asked for."""

    _moment: datetime | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[PipelineRun]:
        lower_priority()
        folder = settings().home / "dagster"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "turn.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if context.log:
                    context.log.info("another run is at work; waiting for it to end")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield self

    def moment(self) -> datetime:
        """The run's business time, the same for all its assets. Raises NothingHappened while silver is empty."""
        from pipelines.business_time import greatest_occurred_at

        if self._moment is None:
            self._moment = datetime.fromisoformat(self.as_of) if self.as_of else greatest_occurred_at()
        return self._moment


def lower_priority() -> None:
    """Nice this process, and so its children (Spark's Java, dbt), once."""
    missing = NICENESS - os.nice(0)
    if missing > 0:
        os.nice(missing)
