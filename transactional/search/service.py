"""Search's rules: pages of results and suggestions as bytes, kept a moment; facets kept longer where they are dear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from html import escape
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import orjson
import structlog

from lakefront.money import money_text
from transactional.catalogue import service as catalogue
from transactional.platform.cache import Rendered, RenderedCache
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor
from transactional.platform.database import Database
from transactional.platform.query import rows
from transactional.search import store
from transactional.search.analysis import Synonyms, words_analyzer
from transactional.search.errors import DEEPEST, cursor_expired, no_word, search_unavailable, too_deep
from transactional.search.finding import Facets, Found, Hit, Snapshot, Sort
from transactional.search.index import PRICE_UNITS, IndexFolder, split_facet, split_price_range
from transactional.search.queries import Filters
from transactional.search.reader import NoIndex, SearchReader
from transactional.search.schemas import SearchRequest

FACETS_SECONDS = 5.0
BROAD = 20_000
"""Facets of more results than this are counted off the request once they are known."""
BROAD_SECONDS = 60.0
MOST_FACETS = 5_000
MOST_NAMES, MOST_VALUES = 20, 30
# Answers belong to the generation of the index that is in force, which no address names.
results = RenderedCache("search", by_address=False)
suggestions = RenderedCache("suggestions", by_address=False)
log = structlog.get_logger(__name__)
_searches: WeakKeyDictionary[Database, Search] = WeakKeyDictionary()
_words = words_analyzer()
_FacetsKey = tuple[str, str, Filters]


@dataclass(slots=True)
class _KnownFacets:
    facets: bytes
    count: int
    counted_at: float
    is_counting: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Which results of a search, in which order."""

    sort: Sort
    offset: int
    limit: int


class Search:
    """The index of one worker, and the facets that it knows."""

    def __init__(self, reader: SearchReader) -> None:
        self.reader = reader
        self._facets: dict[_FacetsKey, _KnownFacets] = {}
        self._counting: set[asyncio.Task[None]] = set()

    async def find(self, snapshot: Snapshot, text: str, filters: Filters, page: Page) -> tuple[Found, bytes]:
        """A page of results with the facets of all of them, as JSON."""
        key = (snapshot.generation, text, filters)
        known = self._usable(key)
        found = await self.reader.ask(
            lambda: snapshot.find(text, filters, page.offset, page.limit, sort=page.sort, with_facets=known is None)
        )
        if known is not None:
            return found, known.facets
        facets = facets_json(found.facets or {})
        self._keep(key, _KnownFacets(facets, found.count, time.monotonic()))
        return found, facets

    def _usable(self, key: _FacetsKey) -> _KnownFacets | None:
        known = self._facets.get(key)
        if known is None:
            return None
        age = time.monotonic() - known.counted_at
        if age <= FACETS_SECONDS:
            return known
        if known.count < BROAD or age > BROAD_SECONDS:
            return None
        if not known.is_counting:
            known.is_counting = True
            task = asyncio.create_task(self._count_anew(key, known))
            self._counting.add(task)
            task.add_done_callback(self._counting.discard)
        return known

    async def _count_anew(self, key: _FacetsKey, known: _KnownFacets) -> None:
        try:
            snapshot = self.reader.snapshot
            facets = await self.reader.ask(lambda: snapshot.facets(key[1], key[2]))
            self._keep(key, _KnownFacets(facets_json(facets), known.count, time.monotonic()))
        except Exception:  # the request is served already; the next one tries again
            known.is_counting = False
            log.exception("facets_not_counted")

    def _keep(self, key: _FacetsKey, known: _KnownFacets) -> None:
        if len(self._facets) >= MOST_FACETS:
            self._facets.clear()
        self._facets[key] = known


async def open_search(core: Core) -> None:
    """Begin to follow the index. Raises OSError where the configured synonyms cannot be read."""
    chosen = core.settings
    synonyms = Synonyms.load(Path(chosen.search_synonyms) if chosen.search_synonyms else None)
    search = _searches[core.db] = Search(SearchReader(IndexFolder(chosen.search_folder), synonyms))
    await search.reader.start()


async def close_search(core: Core) -> None:
    """Stop following it."""
    search = _searches.pop(core.db, None)
    if search is not None:
        await search.reader.close()


def search_of(core: Core) -> Search:
    """The worker's index."""
    return _searches[core.db]


def normalised(text: str, field: str) -> str:
    """A text as the caches know it. Raises Problem 422 when there is no word in it."""
    words = _words.analyze(text)
    if not words:
        raise no_word(field)
    return " ".join(words)


async def find_products(core: Core, request: SearchRequest) -> Rendered:
    """A page of results, as bytes. Raises Problem 404 for a category that there is not, 422 for cursors that lead
    nowhere, 503 while there is no index."""
    search = search_of(core)
    snapshot = _snapshot(search)
    text = normalised(request.q, "q")
    filters = filters_of(request)
    search_key = _digest(text, filters, request.sort)
    offset = _offset(request, snapshot.generation, search_key)
    page = Page(request.sort, offset, min(request.limit, DEEPEST - offset))

    async def render() -> bytes:
        found, facets = await search.find(snapshot, text, filters, page)
        if filters.category is not None and not found.hits and not found.count:
            async with core.db.connection() as connection:
                await catalogue.check_category(connection, filters.category)
        hits = found.hits if request.language is None else await _translated(core, found.hits, request.language)
        end = offset + page.limit
        has_more = end < min(found.count, DEEPEST)
        return _body(
            found, hits, facets, encode_cursor(snapshot.generation, search_key, str(end)) if has_more else None
        )

    with _without_index():
        return await results.get((snapshot.generation, text, filters, page, request.language), render)


async def suggest(core: Core, prefix: str, limit: int) -> Rendered:
    """What a text may go on to, as bytes. Kept for minutes, but not beyond a growth of the shop by a thirtieth."""
    search = search_of(core)
    snapshot = _snapshot(search)
    text = normalised(prefix, "prefix")

    async def render() -> bytes:
        found = await search.reader.ask(lambda: snapshot.suggest(text, limit))
        return orjson.dumps({"suggestions": [{"text": each, "products": count} for each, count in found]})

    with _without_index():
        return await suggestions.get((snapshot.generation, snapshot.magnitude, text, limit), render)


def _snapshot(search: Search) -> Snapshot:
    with _without_index():
        return search.reader.snapshot


@contextmanager
def _without_index() -> Iterator[None]:
    """503 where there is no index, or none that can be read."""
    try:
        yield
    except NoIndex:
        raise search_unavailable() from None


def _digest(text: str, filters: Filters, sort: Sort) -> str:
    """What cursors of a search have in common: they hold a place, which in another search is another product's."""
    return blake2b(repr((text, filters, sort)).encode(), digest_size=6).hexdigest()


def _offset(request: SearchRequest, generation: str, search_key: str) -> int:
    if request.cursor is None:
        offset = (request.page - 1) * request.limit
        if offset >= DEEPEST:
            raise too_deep()
        return offset
    of_generation, of_search, place = decode_cursor(request.cursor, 3)
    if of_search != search_key or not (place.isascii() and place.isdigit() and 0 < int(place) < DEEPEST):
        raise invalid_cursor()
    if of_generation != generation:
        raise cursor_expired()
    return int(place)


def filters_of(request: SearchRequest) -> Filters:
    """What a request is narrowed by, in one order whatever the order in which it was said."""
    return Filters(
        request.category,
        tuple(sorted(set(request.brand))),
        request.seller,
        tuple(sorted(set(request.tag))),
        tuple(sorted({split_pair(pair) for pair in request.attribute})),
        _units(request.price_min),
        _units(request.price_max),
        request.in_stock,
        None if request.rating_min is None else int(request.rating_min * 100),
    )


def split_pair(text: str) -> tuple[str, str]:
    """Name and value of an attribute that is asked for."""
    name, _, value = text.partition(":")
    return name, value


def _units(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount * PRICE_UNITS)


async def _translated(core: Core, hits: Sequence[Hit], language: str) -> Sequence[Hit]:
    """The hits with their titles in a language, where they are translated to it."""
    cards = [orjson.loads(hit.card) for hit in hits]
    async with core.db.connection() as connection:
        asked = {"product_ids": [card["product_id"] for card in cards], "language": language}
        found = await rows(connection, store.TITLES, asked)
    by_product = {row["product_id"]: row["title"] for row in found}
    return [_shown(hit, card, by_product.get(card["product_id"])) for hit, card in zip(hits, cards, strict=True)]


def _shown(hit: Hit, card: dict[str, Any], title: str | None) -> Hit:
    """The index knows where words stand in a product's own title only: none are marked in another."""
    return hit if title is None else Hit(orjson.dumps(card | {"title": title}), escape(title), hit.description)


def _body(found: Found, hits: Sequence[Hit], facets: bytes, cursor: str | None) -> bytes:
    """The cards are finished JSON objects: highlights are added before their closing brace."""
    items = b",".join(
        hit.card.rstrip()[:-1]
        + b',"highlights":'
        + orjson.dumps({"title": hit.title, "description": hit.description})
        + b"}"
        for hit in hits
    )
    rest = {"match": found.match, "count": found.count, "did_you_mean": found.did_you_mean, "next_cursor": cursor}
    return b'{"items":[' + items + b'],"facets":' + facets + b"," + orjson.dumps(rest)[1:]


def facets_json(found: Facets) -> bytes:
    """Facets as they are answered: attributes by name, those of most results first, and prices from low to high."""
    told: dict[str, Any] = {
        name: [{"value": value, "count": count} for value, count in found.get(name, ())]
        for name in ("categories", "brands", "sellers", "tags", "availability")
    }
    attributes: dict[str, list[dict[str, Any]]] = {}
    for term, count in found.get("attributes", ()):
        name, value = split_facet(term)
        attributes.setdefault(name, []).append({"value": value, "count": count})
    told["attributes"] = [
        {"name": name, "values": values[:MOST_VALUES]} for name, values in list(attributes.items())[:MOST_NAMES]
    ]
    ranges = sorted((*split_price_range(term), count) for term, count in found.get("prices", ()))
    told["prices"] = [
        {
            "currency": currency,
            "lowest": money_text(low, currency),
            "highest": money_text(high, currency),
            "count": count,
        }
        for currency, low, high, count in ranges
    ]
    return orjson.dumps(told)
