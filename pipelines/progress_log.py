"""Tells a person at a terminal how a run goes: one line when a step starts and one when it ends."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import dagster as dg

_shown_on: list[TextIO] = []
"""Where the lines go; to the standard output while nobody says otherwise. Dagster makes the logger, so it cannot be told."""


@contextmanager
def shown_on(terminal: TextIO) -> Iterator[None]:
    """Tell how runs go on this stream for a while."""
    _shown_on.append(terminal)
    try:
        yield
    finally:
        _shown_on.remove(terminal)


class ProgressHandler(logging.Handler):
    """Prints step events and warnings of assets; leaves out Dagster's own chatter."""

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {}) or {}
        line = _line(
            meta.get("dagster_event"),
            meta.get("step_key"),
            record.levelno,
            meta.get("orig_message") or record.getMessage(),
        )
        if line:
            print(line, file=_shown_on[-1] if _shown_on else sys.stdout, flush=True)


def _line(event: dg.DagsterEvent | None, step: str | None, level: int, said: str) -> str | None:
    if event is None:
        return f"{step}: {said}" if step and level >= logging.WARNING else None
    name = event.step_key
    if event.event_type == dg.DagsterEventType.STEP_START:
        return f"{name} …"
    if event.event_type == dg.DagsterEventType.STEP_SUCCESS:
        return f"{name} done in {event.step_success_data.duration_ms / 1000:.1f} s"
    if event.event_type == dg.DagsterEventType.STEP_SKIPPED:
        return f"{name} skipped: what it needs gave nothing"
    if event.event_type == dg.DagsterEventType.STEP_FAILURE:
        error = event.step_failure_data.error
        cause = error.cause or error if error else None
        return f"{name} FAILED: {cause.message.strip() if cause else 'no error was recorded'}"
    return None


@dg.logger(
    description="One line per step for a terminal.",
    config_schema={"quiet": dg.Field(bool, default_value=False, is_required=False)},
)
def progress(context: dg.InitLoggerContext) -> logging.Logger:
    """The logger that `lakefront pipeline run` uses."""
    logger = logging.Logger("lakefront.progress", logging.DEBUG)
    logger.addHandler(logging.NullHandler() if context.logger_config["quiet"] else ProgressHandler())
    return logger
