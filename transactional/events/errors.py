"""What can be wrong with a batch of clickstream, or with one of its events."""

from __future__ import annotations

from typing import Any

from transactional.events.schemas import MOST_EVENTS
from transactional.platform.errors import Problem, unavailable


class BadEvent(ValueError):
    """One event that cannot be taken."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def malformed(reason: str) -> Problem:
    return Problem(400, "malformed_json", "The body is not valid JSON", reason)


def wrong_shape() -> Problem:
    detail = f'Send {{"events": […]}} with 1 to {MOST_EVENTS} events.'
    return Problem(422, "invalid_request", "The request does not fit its schema", detail)


def none_accepted(rejected: list[dict[str, Any]]) -> Problem:
    return Problem(422, "no_valid_event", "None of the events can be taken", rejected=rejected)


def bus_away(retry_after: int) -> Problem:
    detail = "Nothing of this batch counts as accepted: keep it and send it again, with the same event ids."
    return unavailable("bus_unavailable", "Clickstream is not taken just now", detail, retry_after)
