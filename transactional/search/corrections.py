"""Words that no product has, corrected against the index's own words.

A word one edit away is found by asking the term dictionary for each of the few hundred words that one edit makes; only for a
longer word without one are the dictionary's words with the same first letter compared with it. An edit is a letter inserted,
left out, replaced, or two neighbours swapped (optimal string alignment).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tantivy import Searcher

from transactional.search.queries import BOOSTS, QueryBuilder

SHORTEST = 3
SHORTEST_FOR_TWO = 6
MOST_NEIGHBOURS = 10_000
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def corrected(searcher: Searcher, builder: QueryBuilder, words: Sequence[str]) -> list[str] | None:
    """The words with the unknown ones corrected; None where nothing is unknown, or nothing better is known."""
    found: list[str] = []
    for word in words:
        found += [word] if is_known(searcher, builder, word) else _correct(searcher, word)
    return found if found != list(words) else None


def is_known(searcher: Searcher, builder: QueryBuilder, word: str) -> bool:
    """Whether any product has the word, in any form, or it is a synonym."""
    stem = builder.stem(word)
    return builder.has_synonyms(word) or any(searcher.doc_freq(name, stem) for name in BOOSTS)


def _correct(searcher: Searcher, word: str) -> list[str]:
    if len(word) < SHORTEST or word.isdigit():
        return [word]
    near = [(searcher.doc_freq("words", other), other) for other in _one_edit(word)]
    if best := max((one for one in near if one[0]), default=None):
        return [best[1]]
    if parts := _split(searcher, word):
        return parts
    if len(word) >= SHORTEST_FOR_TWO:
        close = [(count, term) for term, count in _neighbours(searcher, word) if is_within(word, term, 2)]
        if close:
            return [max(close)[1]]
    return [word]


def _neighbours(searcher: Searcher, word: str) -> list[tuple[str, int]]:
    """Words of the dictionary with the same beginning: one letter, or two where that is too many to compare."""
    terms = searcher.terms_with_prefix("words", word[:1], limit=MOST_NEIGHBOURS)
    return (
        terms if len(terms) < MOST_NEIGHBOURS else searcher.terms_with_prefix("words", word[:2], limit=MOST_NEIGHBOURS)
    )


def _split(searcher: Searcher, word: str) -> list[str] | None:
    """Two known words that were written as one."""
    cuts = [(word[:place], word[place:]) for place in range(SHORTEST, len(word) - SHORTEST + 1)]
    known = [
        (min(searcher.doc_freq("words", left), searcher.doc_freq("words", right)), left, right) for left, right in cuts
    ]
    best = max(known, default=(0, "", ""))
    return [best[1], best[2]] if best[0] else None


def _one_edit(word: str) -> Iterator[str]:
    for place in range(len(word) + 1):
        before, after = word[:place], word[place:]
        if after:
            yield before + after[1:]
        if len(after) > 1 and after[0] != after[1]:
            yield before + after[1] + after[0] + after[2:]
        for letter in _LETTERS:
            yield before + letter + after
            if after and letter != after[0]:
                yield before + letter + after[1:]


def is_within(one: str, other: str, limit: int) -> bool:
    """Whether at most so many edits make one word the other."""
    # An edit changes at most two letters of the set, and most words of a dictionary end here.
    if abs(len(one) - len(other)) > limit or len(set(one) ^ set(other)) > 2 * limit:
        return False
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, start=1):
        last, row = row, [place]
        for at, there in enumerate(other, start=1):
            cost = min(last[at] + 1, row[at - 1] + 1, last[at - 1] + (letter != there))
            if at > 1 and place > 1 and letter == other[at - 2] and one[place - 2] == there:
                cost = min(cost, before[at - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return False
        before = last
    return row[-1] <= limit
