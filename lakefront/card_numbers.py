"""The one guard against card numbers: whatever comes in, is logged or is told to the world must not hold one.

Found are 13 to 19 digits (spaces or dashes between them allowed) that pass the Luhn check and begin as cards do. Not meant
are digits within longer words, numbers and identifiers (hashes, UUIDs, floats, times since 1970) and GTINs, the 13-digit
numbers of articles, whose own check digit they carry.
"""

from __future__ import annotations

import re

LONGEST_CARD_NUMBER = 40
"""Characters: digits, what may stand between them, and a sign before and after."""
REPLACEMENT = b"[card number removed]"

_UUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NUMBER = rb"(?<![0-9A-Za-z.])(?P<number>[2-689](?:[ -]?[0-9]){12,18})(?![0-9A-Za-z]|[.][0-9])"
_CANDIDATE = re.compile(_UUID + rb"|" + _NUMBER)
_SUSPECT = re.compile(rb"[2-689](?<![0-9A-Za-z.].)[0-9 -]{11,}[0-9]", re.DOTALL)
_DIGITS = bytes(ord("0") if 48 <= byte < 58 else ord(".") for byte in range(256))
_RUN = b"0" * 13


class CardNumberRefused(ValueError):
    """A text holds what looks like a card number. The message never repeats it."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} would hold a card number")


def holds_card_number(text: bytes | str) -> bool:
    """True when the text holds what looks like a card number."""
    raw = text.encode() if isinstance(text, str) else text
    return _is_suspect(raw) and any(_is_card(found) for found in _CANDIDATE.finditer(raw))


def refuse_card_number(text: bytes | str, where: str) -> None:
    """Raise ``CardNumberRefused`` when the text holds what looks like a card number."""
    if holds_card_number(text):
        raise CardNumberRefused(where)


def without_card_numbers(text: bytes) -> bytes:
    """The text with what looks like card numbers taken out."""
    if not _is_suspect(text):
        return text
    return _CANDIDATE.sub(lambda found: REPLACEMENT if _is_card(found) else found[0], text)


def _is_suspect(text: bytes) -> bool:
    """Two looks that every card number passes and few other texts do: they cost a tenth of the search proper."""
    return _RUN in text.translate(_DIGITS, b" -") and _SUSPECT.search(text) is not None


def _is_card(found: re.Match[bytes]) -> bool:
    if found["number"] is None:
        return False
    digits = [byte - 48 for byte in found["number"].translate(None, b" -")]
    return _luhn(digits) and not (len(digits) == 13 and _is_gtin(digits))


def _luhn(digits: list[int]) -> bool:
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_gtin(digits: list[int]) -> bool:
    return (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0
