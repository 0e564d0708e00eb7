"""Search's rules: pages of results and suggestions as bytes, kept a moment; facets kept longer where they are dear."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from weakref import WeakKeyDictionary

import orjson
import structlog

from transactional.platform.cache import Rendered, RenderedCache
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor
from transactional.platform.database import Database
from transactional.search.analysis import Synonyms, words_analyzer
from transactional.search.errors import DEEPEST, cursor_expired, no_word, search_unavailable, too_deep
from transactional.search.finding import Facets, Found, Snapshot
from transactional.search.index import PRICE_UNITS, IndexFolder
from transactional.search.queries import Filters
from transactional.search.reader import NoIndex, SearchReader
from transactional.search.schemas import SearchRequest

FACETS_SECONDS = 5.0
BROAD = 20_000
"""Facets of more results than this are counted off the request once they are known."""
BROAD_SECONDS = 60.0
MOST_FACETS = 5_000
# Answers belong to the generation of the index that is in force, which no address names.
results = RenderedCache("search", by_address=False)
suggestions = RenderedCache("suggestions", by_address=False)
log = structlog.get_logger(__name__)
_searches: WeakKeyDictionary[Database, Search] = WeakKeyDictionary()
_words = words_analyzer()
_FacetsKey = tuple[str, str, Filters]


@dataclass(slots=True)
class _KnownFacets:
    facets: Facets
    count: int
    counted_at: float
    is_counting: bool = False


class Search:
    """The index of one worker, and the facets that it knows."""

    def __init__(self, reader: SearchReader) -> None:
        self.reader = reader
        self._facets: dict[_FacetsKey, _KnownFacets] = {}
        self._counting: set[asyncio.Task[None]] = set()

    async def find(
        self, snapshot: Snapshot, text: str, filters: Filters, offset: int, limit: int
    ) -> tuple[Found, Facets]:
        """A page of results with the facets of all of them."""
        key = (snapshot.generation, text, filters)
        known = self._usable(key)
        found = await self.reader.ask(lambda: snapshot.find(text, filters, offset, limit, with_facets=known is None))
        if known is not None:
            return found, known.facets
        facets = found.facets or {}
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
            self._keep(key, _KnownFacets(facets, known.count, time.monotonic()))
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
    """A page of results, as bytes. Raises Problem 422 for cursors that lead nowhere, 503 while there is no index."""
    search = search_of(core)
    snapshot = _snapshot(search)
    text = normalised(request.q, "q")
    filters = Filters(
        request.category,
        tuple(sorted(set(request.brand))),
        _units(request.price_min),
        _units(request.price_max),
        request.in_stock,
    )
    offset = _offset(request, snapshot.generation)
    limit = min(request.limit, DEEPEST - offset)

    async def render() -> bytes:
        found, facets = await search.find(snapshot, text, filters, offset, limit)
        end = offset + limit
        has_more = end < min(found.count, DEEPEST)
        return _body(found, facets, encode_cursor(snapshot.generation, str(end)) if has_more else None)

    return await results.get((snapshot.generation, text, filters, offset, limit), render)


async def suggest(core: Core, prefix: str, limit: int) -> Rendered:
    """What a text may go on to, as bytes."""
    search = search_of(core)
    snapshot = _snapshot(search)
    text = normalised(prefix, "prefix")

    async def render() -> bytes:
        found = await search.reader.ask(lambda: snapshot.suggest(text, limit))
        return orjson.dumps({"suggestions": [{"text": each, "products": count} for each, count in found]})

    return await suggestions.get((snapshot.generation, text, limit), render)


def _snapshot(search: Search) -> Snapshot:
    try:
        return search.reader.snapshot
    except NoIndex:
        raise search_unavailable() from None


def _offset(request: SearchRequest, generation: str) -> int:
    if request.cursor is None:
        offset = (request.page - 1) * request.limit
        if offset >= DEEPEST:
            raise too_deep()
        return offset
    of_generation, place = decode_cursor(request.cursor, 2)
    if not (place.isascii() and place.isdigit() and 0 < int(place) < DEEPEST):
        raise invalid_cursor()
    if of_generation != generation:
        raise cursor_expired()
    return int(place)


def _units(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount * PRICE_UNITS)


def _body(found: Found, facets: Facets, cursor: str | None) -> bytes:
    """The cards are finished JSON objects: highlights are added before their closing brace."""
    items = b",".join(
        hit.card.rstrip()[:-1]
        + b',"highlights":'
        + orjson.dumps({"title": hit.title, "description": hit.description})
        + b"}"
        for hit in found.hits
    )
    rest = {
        "match": found.match,
        "count": found.count,
        "did_you_mean": found.did_you_mean,
        "facets": {
            name: [{"value": value, "count": count} for value, count in values] for name, values in facets.items()
        },
        "next_cursor": cursor,
    }
    return b'{"items":[' + items + b"]," + orjson.dumps(rest)[1:]
