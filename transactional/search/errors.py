"""What search answers when it cannot."""

from __future__ import annotations

from transactional.platform.errors import Problem, unavailable

DEEPEST = 1_000


def search_unavailable() -> Problem:
    """503: the index is being built for the first time, or lies where this worker cannot read it."""
    detail = "It is being built; nothing else of the shop is affected."
    return unavailable("search_unavailable", "There is no search index just now", detail, retry_after=5)


def cursor_expired() -> Problem:
    """422: the pages of one search belong together, and the index of the first was replaced."""
    detail = "The index has been built anew since. Begin again without a cursor."
    return Problem(422, "cursor_expired", "The cursor belongs to an index that is gone", detail)


def too_deep() -> Problem:
    """422 for pages that nobody reads and everybody pays for."""
    detail = f"Results end with the {DEEPEST:,}th. Filters lead to what stands behind."
    return Problem(422, "too_deep", "The page lies too deep", detail)


def no_word(field: str) -> Problem:
    """422 for a text without a letter or a digit."""
    return Problem(422, "invalid_request", f"{field} has no word to look for")
