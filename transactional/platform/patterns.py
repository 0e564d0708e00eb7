"""What texts look like: regular expressions for programs, and beside each the words that people are told when theirs does not
fit. The OpenAPI document has the expression, an error the words."""

from __future__ import annotations

_WORDS: dict[str, str] = {}


def pattern(expression: str, words: str) -> str:
    """The expression, which is told as ``words`` from now on: they go on from "should be"."""
    if _WORDS.setdefault(expression, words) != words:
        raise ValueError(f"{expression} is told as {_WORDS[expression]!r} already")
    return expression


def words_of(expression: str) -> str | None:
    """How an expression is told; None for one that was never declared by ``pattern``."""
    return _WORDS.get(expression)


TEXT = pattern(r"^[^\x00]*$", "text without NUL characters")
LINE = pattern(r"^[^\x00-\x1f\x7f]*$", "one line of text, without control characters")
LINES = pattern(
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$", "text without control characters other than line breaks and tabs"
)
SLUG = pattern(
    r"^[a-z0-9]+(-[a-z0-9]+)*$", "small letters and digits, with single hyphens between, such as summer-sale"
)
COUNTRY = pattern(r"^[A-Z]{2}$", "a country's code of two capital letters (ISO 3166-1, such as US)")
CURRENCY = pattern(r"^[A-Z]{3}$", "a currency's code of three capital letters (ISO 4217, such as USD)")
PHONE_NUMBER = pattern(
    r"^\+[1-9][0-9]{6,14}$", "a telephone number with + and the country's code (E.164, such as +442079460123)"
)
pattern(r"^[A-Za-z0-9_-]+$", "letters, digits, '_' and '-', such as my-first-visit")
"""A visit's name in clickstream; the events' contracts, which know no API, have the expression."""
