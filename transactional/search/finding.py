"""Asking the index: the passes of a search, its facets, its highlights, and the completion of what is being typed.

All of it runs in a thread of the reader's pool, on one state of the index.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from tantivy import Document, Index, Order, Query, Searcher, SearchResult, SnippetGenerator

from transactional.search.analysis import Synonyms
from transactional.search.corrections import corrected, is_known
from transactional.search.queries import Filters, QueryBuilder

TOO_FEW = 3
"""Exact results below this are worth looking for a misspelt word."""
MOST_SUGGESTIONS = 10
MOST_CATEGORIES = 30
SNIPPET_CHARACTERS = 160
Match = Literal["all_words", "corrected", "some_words", "popular"]
Sort = Literal["relevance", "newest", "price", "price_desc", "popularity", "rating"]
Facets = dict[str, list[tuple[str, int]]]
"""By kind, terms of the index with how many results have them, the commonest first."""
_FACET_FIELDS = {
    "categories": ("category_leaf", 1_000),
    "brands": ("brand_name", 20),
    "sellers": ("seller", 20),
    "tags": ("tag", 20),
    "attributes": ("facet", 200),
    "prices": ("price_range", 50),
    "availability": ("availability", 2),
}
COUNTED = {name: {"terms": {"field": field, "size": size}} for name, (field, size) in _FACET_FIELDS.items()}
_ORDERS: dict[Sort, dict[str, Any]] = {
    "relevance": {"weight_by_field": "weight"},
    "newest": {"order_by_field": "listed_ms", "order": Order.Desc},
    "price": {"order_by_field": "price", "order": Order.Asc},
    "price_desc": {"order_by_field": "price", "order": Order.Desc},
    "popularity": {"order_by_field": "units_sold", "order": Order.Desc},
    "rating": {"order_by_field": "rating_rank", "order": Order.Desc},
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A product that was found: its card as JSON, and where the words stand in it (HTML with <b>)."""

    card: bytes
    title: str
    description: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of results. ``did_you_mean`` is the corrected query where it found more."""

    match: Match
    hits: list[Hit]
    count: int
    did_you_mean: str | None
    facets: Facets | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the index, for all threads."""

    generation: str
    index: Index
    searcher: Searcher
    synonyms: Synonyms

    @property
    def magnitude(self) -> int:
        """The size of the shop in steps of 3.5 %."""
        return round(20 * math.log2(1 + self.searcher.num_docs))

    def find(
        self,
        text: str,
        filters: Filters,
        offset: int,
        limit: int,
        *,
        sort: Sort = "relevance",
        with_facets: bool,
    ) -> Found:
        """Look for all words; where that finds too little, for corrected ones; where that finds nothing, for some of
        them; and where nothing has any, show what is popular."""
        builder = QueryBuilder(self.index.schema, self.synonyms)
        words = builder.words(text)
        match, query, found, meant = self._choose(builder, words, filters, offset, limit, sort)
        documents = [self.searcher.doc(address) for _, address in found.hits]
        facets: Facets | None = {}
        if _count(found):
            facets = self._facets(query) if with_facets else None
        return Found(match, self._hits(query, documents), _count(found), meant, facets)

    def facets(self, text: str, filters: Filters) -> Facets:
        """The facets of a search alone."""
        builder = QueryBuilder(self.index.schema, self.synonyms)
        return self._facets(self._choose(builder, builder.words(text), filters, 0, 1, "relevance")[1])

    def _choose(
        self, builder: QueryBuilder, words: Sequence[str], filters: Filters, offset: int, limit: int, sort: Sort
    ) -> tuple[Match, Query, SearchResult, str | None]:
        """The first pass that finds enough, with its page: counting and ranking are one walk through the results."""

        def ask(query: Query) -> SearchResult:
            return self.searcher.search(query, limit, offset=offset, **_ORDERS[sort])

        query = builder.all_words(words, filters)
        found = ask(query)
        if _count(found) < TOO_FEW and (better := corrected(self.searcher, builder, words)) is not None:
            other = builder.all_words(better, filters)
            others = ask(other)
            if _count(others) > _count(found):
                return "corrected", other, others, " ".join(better)
            words = better
        if _count(found):
            return "all_words", query, found, None
        for query in self._relaxed(builder, words, filters):
            if _count(relaxed := ask(query)) >= TOO_FEW:
                return "some_words", query, relaxed, None
        if _count(relaxed):
            return "some_words", query, relaxed, None
        return "popular", query, found if offset else self._instead(builder, filters, limit), None

    def _instead(self, builder: QueryBuilder, filters: Filters, limit: int) -> SearchResult:
        """What is shown where nothing was found: what sells; in a corner of the shop that sold nothing yet, what is new. Not
        counted, since it is half the shop."""
        found = self.searcher.search(builder.popular(filters), limit, count=False, **_ORDERS["relevance"])
        if found.hits:
            return found
        return self.searcher.search(builder.any_in_stock(filters), limit, count=False, **_ORDERS["newest"])

    def _relaxed(self, builder: QueryBuilder, words: Sequence[str], filters: Filters) -> Iterator[Query]:
        """All words that the index knows; all but one; any. The first ones cost little, since rare words lead them."""
        known = [word for word in words if is_known(self.searcher, builder, word)]
        if 0 < len(known) < len(words):
            yield builder.all_words(known, filters)
        if len(known) > 2:
            yield builder.all_but_one_word(known, filters)
        yield builder.some_words(words, filters)

    def _hits(self, query: Query, documents: Sequence[Document]) -> list[Hit]:
        titles = SnippetGenerator.create(self.searcher, query, self.index.schema, "title")
        titles.set_max_num_chars(600)
        descriptions = SnippetGenerator.create(self.searcher, query, self.index.schema, "description")
        descriptions.set_max_num_chars(SNIPPET_CHARACTERS)
        hits = []
        for document in documents:
            title = titles.snippet_from_doc(document).to_html() or escape(str(document.get_first("title") or ""))
            description = descriptions.snippet_from_doc(document).to_html() or None
            hits.append(Hit(bytes(document.get_first("card") or b"{}"), title, description))
        return hits

    def _facets(self, query: Query) -> Facets:
        told: dict[str, Any] = self.searcher.aggregate(query, COUNTED)
        counted = {
            name: Counter({str(bucket["key"]): int(bucket["doc_count"]) for bucket in told[name]["buckets"]})
            for name in COUNTED
        }
        counted["categories"] = _with_those_above(counted["categories"])
        facets = {
            name: sorted(counts.items(), key=lambda each: (-each[1], each[0])) for name, counts in counted.items()
        }
        facets["categories"] = facets["categories"][:MOST_CATEGORIES]
        return facets

    def suggest(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        """What a text may go on to: its last word completed, by the number of products that a search for it finds."""
        builder = QueryBuilder(self.index.schema, Synonyms())
        words = builder.words(prefix)
        if not words:
            return []
        *before, last = words
        condition = builder.all_words(before, Filters()) if before else None
        terms = self.searcher.terms_with_prefix("words", last, filter_query=condition)
        # The dictionary also counts what was replaced or taken out since the segments were merged, and knows words by
        # one of their forms: it says which are worth counting.
        counted: list[tuple[str, int]] = []
        likely = [each for each in terms if each[1]]
        for term, _ in sorted(likely, key=lambda each: (-each[1], len(each[0]), each[0])):
            if count := self._number_of([*before, term]):
                counted.append((term, count))
            if len(counted) == limit:
                break
        best = sorted(counted, key=lambda each: (-each[1], len(each[0]), each[0]))
        return [(" ".join([*before, term]), count) for term, count in best]

    def _number_of(self, words: Sequence[str]) -> int:
        """How many products have all words, as ``find`` says it; in no order, which costs nothing."""
        query = QueryBuilder(self.index.schema, self.synonyms).all_words(words, Filters())
        return _count(self.searcher.search(query, 1, **_ORDERS["popularity"]))


def _with_those_above(leaves: Mapping[str, int]) -> Counter[str]:
    """A product stands in each category above its own, too. Adding up here costs a fifth of a column with several values."""
    counts: Counter[str] = Counter()
    for path, number in leaves.items():
        steps = path.split("/")
        for depth in range(1, len(steps) + 1):
            counts["/".join(steps[:depth])] += number
    return counts


def _count(found: SearchResult) -> int:
    count: int | None = found.count  # type: ignore[attr-defined]  # the stubs leave it out
    return count or 0
