"""What a shopper typed, as queries of the index: field boosts, synonyms, filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tantivy import FieldType, Occur, Query, Schema

from transactional.search.analysis import MOST_WORDS, Phrase, Synonyms, stems_analyzer, words_analyzer
from transactional.search.index import facet_term

BOOSTS = {"head": 3.0, "title": 1.0, "brand": 1.0, "category": 1.5, "attributes": 1.2, "description": 0.5}
_SYNONYM = 0.7
_ADJACENT = 2.0
_TIE_BREAKER = 0.1


@dataclass(frozen=True, slots=True)
class Filters:
    """What narrows the results without ranking them: one of the brands, all of the tags, and of each name among the attributes
    one of its values. Prices in units of the index; of a product with variants that of one of them."""

    category: str | None = None
    brands: tuple[str, ...] = ()
    seller: str | None = None
    tags: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    price_min: int | None = None
    price_max: int | None = None
    in_stock: bool = False
    rating_min: int | None = None
    """In hundredths of a star."""


class QueryBuilder:
    """Builds the queries of one index. Not shared between threads."""

    def __init__(self, schema: Schema, synonyms: Synonyms) -> None:
        self._schema = schema
        self._synonyms = synonyms
        self._stems = stems_analyzer()
        self._words = words_analyzer()

    def words(self, text: str) -> list[str]:
        """The words that are looked for, as they are written."""
        return self._words.analyze(text)[:MOST_WORDS]

    def stem(self, word: str) -> str:
        """What a word is in the fields that are searched."""
        found = self._stems.analyze(word)
        return found[0] if found else word

    def has_synonyms(self, word: str) -> bool:
        """Whether a word is also called something else, and is no slip therefore."""
        return self._synonyms.has(word)

    def all_words(self, words: Sequence[str], filters: Filters) -> Query:
        """Products that have every word, or what else it is called, in any field."""
        parts = [(Occur.Must, self._unit(names)) for names in self._synonyms.units(words)]
        return self._filtered(parts + self._adjacent(words), filters)

    def all_but_one_word(self, words: Sequence[str], filters: Filters) -> Query:
        """Products that have all words but any one of them."""
        units = [self._unit(names) for names in self._synonyms.units(words)]
        choices = [
            Query.boolean_query([(Occur.Must, unit) for at, unit in enumerate(units) if at != left_out])
            for left_out in range(len(units))
        ]
        either = Query.boolean_query([(Occur.Should, choice) for choice in choices], 1)
        return self._filtered([(Occur.Must, either)], filters)

    def some_words(self, words: Sequence[str], filters: Filters) -> Query:
        """Products that have any of the words; more of them rank higher."""
        units = [(Occur.Should, self._unit(names)) for names in self._synonyms.units(words)]
        return self._filtered([(Occur.Must, Query.boolean_query(units, 1))], filters)

    def popular(self, filters: Filters) -> Query:
        """Products that sell and can be bought now; the weight of products ranks them."""
        # Few products sell: their terms are read ten times faster than the column of all.
        sells = Query.range_query(self._schema, "units_sold", FieldType.Integer, 1, use_inverted_index=True)
        return self._filtered([(Occur.Must, Query.const_score_query(sells, 1.0)), self._in_stock()], filters)

    def any_in_stock(self, filters: Filters) -> Query:
        """Products that can be bought now."""
        return self._filtered([self._in_stock()], filters)

    def _in_stock(self) -> tuple[Occur, Query]:
        return Occur.Must, Query.const_score_query(self._term("availability", "in_stock"), 1.0)

    def _unit(self, names: Sequence[Phrase]) -> Query:
        own, *others = (self._phrase(name) for name in names)
        if not others:
            return own
        return Query.disjunction_max_query([own, *(Query.boost_query(other, _SYNONYM) for other in others)])

    def _phrase(self, phrase: Phrase) -> Query:
        words = [self._word(word) for word in phrase]
        return words[0] if len(words) == 1 else Query.boolean_query([(Occur.Must, word) for word in words])

    def _word(self, word: str) -> Query:
        stem = self.stem(word)
        fields = [Query.boost_query(self._term(name, stem), boost) for name, boost in BOOSTS.items()]
        return Query.disjunction_max_query(fields, _TIE_BREAKER)

    def _adjacent(self, words: Sequence[str]) -> list[tuple[Occur, Query]]:
        """Words that stand together in the title as they do in the query count for more."""
        return [
            (
                Occur.Should,
                Query.boost_query(
                    Query.phrase_query(self._schema, "title", [self.stem(one), self.stem(other)]), _ADJACENT
                ),
            )
            for one, other in pairwise(words)
        ]

    def _filtered(self, parts: list[tuple[Occur, Query]], filters: Filters) -> Query:
        conditions: list[Query] = []
        if filters.category is not None:
            conditions.append(self._term("category_path", filters.category))
        if filters.brands:
            conditions.append(Query.term_set_query(self._schema, "brand_name", list(filters.brands)))
        if filters.seller is not None:
            conditions.append(self._term("seller", filters.seller))
        conditions += [self._term("tag", tag) for tag in filters.tags]
        wanted: dict[str, list[str]] = {}
        for name, value in filters.attributes:
            wanted.setdefault(name, []).append(facet_term(name, value))
        conditions += [Query.term_set_query(self._schema, "facet", terms) for terms in wanted.values()]
        if filters.price_min is not None or filters.price_max is not None:
            bounds = (filters.price_min, filters.price_max)
            conditions.append(Query.range_query(self._schema, "price", FieldType.Integer, *bounds))
        if filters.rating_min is not None:
            conditions.append(Query.range_query(self._schema, "rating", FieldType.Integer, filters.rating_min, None))
        if filters.in_stock:
            conditions.append(self._term("availability", "in_stock"))
        silent = [(Occur.Must, Query.const_score_query(condition, 0.0)) for condition in conditions]
        return Query.boolean_query([*parts, *silent])

    def _term(self, name: str, value: str) -> Query:
        return Query.term_query(self._schema, name, value, "freq" if name in BOOSTS else "basic")
