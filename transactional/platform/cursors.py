"""Cursors of lists: opaque to clients, the sort key of the last item to us."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import Query

from transactional.platform.errors import Problem

_SEPARATOR = "\x1f"
Cursor = Annotated[str | None, Query(max_length=200, description="next_cursor of the page before.")]
"""The parameter by which a list is asked for its next page."""


def encode_cursor(*parts: str) -> str:
    """A cursor from the sort key of the last item."""
    return base64.urlsafe_b64encode(_SEPARATOR.join(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> list[str]:
    """The sort key in a cursor. Raises Problem 422 when it is not one of ours."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        raise invalid_cursor() from None
    found = text.split(_SEPARATOR)
    if len(found) != parts:
        raise invalid_cursor()
    return found


def invalid_cursor() -> Problem:
    """The answer to a cursor that no list of ours gave out."""
    return Problem(422, "invalid_cursor", "The cursor is not one that this list gave out")
