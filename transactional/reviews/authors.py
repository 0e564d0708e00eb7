"""As whom the shop shows who wrote a review: by a name of their choice, or by their first name, never by all of it."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_LONGEST = 30


def first_name(name: str) -> str | None:
    """The first word of an account's name; None where that may tell more than a first name. A single word of a script without
    capitals may be a whole name, and what holds anything but letters may be an address or a number."""
    words = name.split()
    if not words or len(words[0]) > _LONGEST or not _WORD.fullmatch(words[0]):
        return None
    return words[0] if len(words) > 1 or words[0].lower() != words[0].upper() else None
