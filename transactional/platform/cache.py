"""Rendered answers kept in the worker: the fastest answer is one that is already bytes.

All kinds share one room, bounded by bytes; what was asked for longest ago goes first. An entry lives as long as its kind says
while the worker hears what has changed (``invalidations``); while it does not, an entry counts for a moment only. So nothing
depends on an invalidation that was lost. Concurrent misses of one key wait for one rendering, and one that began before an
invalidation came is not kept.

What an answer depends on is its key. Today that is the product and the language: a page tells the prices of all currencies,
and no price depends on who asks.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any
from weakref import WeakSet

from fastapi import Request, Response
from prometheus_client import Counter

from lakefront.settings import settings

HITS = Counter("lakefront_rendered_cache_hits", "Answers taken from the worker's cache.", ["kind"])
MISSES = Counter("lakefront_rendered_cache_misses", "Answers rendered anew.", ["kind"])
EVICTED = Counter("lakefront_rendered_cache_evicted", "Answers that made room for others.")

HOUR = 3600.0
MOST_TARGETS = 4
"""Addresses (parameters in another order, parameters that say nothing) by which one answer is found at once."""
_ENTRY_BYTES, _TARGET_BYTES = 900, 300
"""What Python's objects around a body take, measured."""
_LARGEST_SHARE = 16
"""A body above this part of the room is not kept."""


@dataclass(frozen=True, slots=True)
class Kind:
    """For how many seconds an answer may be kept, and by whom."""

    seconds: float
    """By a worker that hears of changes."""
    alone: float
    """By one that does not. What shows prices is kept so briefly that nobody sees an old one after 5 s."""
    browser: int
    """By browsers, which nothing can tell of a change; they ask again with the ETag."""
    cdn: int

    @property
    def cache_control(self) -> str:
        return f"public, max-age={self.browser}, s-maxage={self.cdn}, stale-while-revalidate=4"


KINDS = {
    "product": Kind(HOUR, 1.5, browser=1, cdn=300),
    "product_list": Kind(30.0, 1.5, browser=1, cdn=900),  # it shows what is in stock
    "reviews": Kind(60.0, 1.5, browser=1, cdn=300),  # no event tells of an author's new name
    "facets": Kind(60.0, 4.0, browser=1, cdn=900),
    "seller": Kind(60.0, 4.0, browser=1, cdn=300),
    "category_tree": Kind(24 * HOUR, 1.5, browser=300, cdn=300),
    "search": Kind(1.5, 1.5, browser=1, cdn=600),  # the index itself follows within a second
    "suggestions": Kind(600.0, 1.5, browser=60, cdn=600),  # they say how many are found
}


@dataclass(frozen=True, slots=True)
class Body:
    """A rendered answer that knows more about itself than its bytes."""

    bytes: bytes
    at_most: float | None = None
    """Seconds for which it may be kept, where that is less than its kind's."""


@dataclass(eq=False, slots=True)
class Rendered:
    """An answer's body, with the tag that browsers and CDNs ask again with."""

    cache: RenderedCache
    key: Hashable
    subject: Hashable
    body: bytes
    etag: str
    headers: tuple[tuple[bytes, bytes], ...]
    """As ASGI sends them. Tuples, here and below: the garbage collector leaves those of bytes alone, and there are many."""
    expires: float
    counts_alone_until: float
    size: int
    targets: tuple[Hashable, ...] = ()
    route: Any = None


class Memory:
    """The room that the caches of a worker share, and whether the worker hears of changes."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._entries: OrderedDict[Rendered, None] = OrderedDict()
        self._caches: WeakSet[RenderedCache] = WeakSet()
        self.bytes = 0
        self.followed_until = 0.0
        """Until then (``time.monotonic``) what changed has been heard of, as far as matters."""
        self.by_target: dict[Hashable, Rendered] = {}
        """Answers by the address that was asked for, so that most requests need no routing."""

    @property
    def limit(self) -> int:
        if self._limit is None:
            self._limit = settings().cache_megabytes * 1024 * 1024
        return self._limit

    def __len__(self) -> int:
        return len(self._entries)

    def join(self, cache: RenderedCache) -> None:
        self._caches.add(cache)

    def holds(self, entry: Rendered) -> bool:
        """Whether an entry may be shown now; it has been asked for lately then."""
        now = time.monotonic()
        if now >= entry.expires or (now >= entry.counts_alone_until and now >= self.followed_until):
            return False
        self._entries.move_to_end(entry)
        return True

    def keep(self, entry: Rendered) -> bool:
        """Find room for an entry, at the cost of those that nobody asked for longest; False when it is too large."""
        if entry.size > self.limit // _LARGEST_SHARE:
            return False
        self._entries[entry] = None
        self.bytes += entry.size
        self._make_room()
        return True

    def know(self, entry: Rendered, target: Hashable, route: Any) -> None:
        """From now on an address is answered by this entry."""
        if entry not in self._entries or target in self.by_target or len(entry.targets) >= MOST_TARGETS:
            return
        entry.route = route
        entry.targets += (target,)
        entry.size += _TARGET_BYTES
        self.bytes += _TARGET_BYTES
        self.by_target[target] = entry
        self._make_room()

    def drop(self, entry: Rendered) -> None:
        """Forget an entry that stands here."""
        if entry not in self._entries:
            return
        del self._entries[entry]
        self.bytes -= entry.size
        for target in entry.targets:
            self.by_target.pop(target, None)

    def apply(self, news: Mapping[str, Iterable[str]]) -> None:
        """Forget what news (subjects by topic) makes old."""
        for cache in self._caches:
            cache.apply(news)

    def clear(self) -> None:
        """Forget everything."""
        for cache in self._caches:
            cache.clear()

    def _make_room(self) -> None:
        while self.bytes > self.limit:
            oldest = next(iter(self._entries))
            EVICTED.inc()
            oldest.cache.drop(oldest)


MEMORY = Memory()
"""The worker's."""


class RenderedCache:
    """The answers of one kind. ``one_by``: topics whose news makes the answers about their subjects old; ``all_by``: topics
    whose news makes all of them old. ``by_address``: the same address has the same answer, whatever else the worker knows."""

    def __init__(
        self,
        kind: str,
        *,
        one_by: Iterable[str] = (),
        all_by: Iterable[str] = (),
        by_address: bool = True,
        lifetime: float | None = None,
        memory: Memory = MEMORY,
    ) -> None:
        self.kind = KINDS.get(kind) or Kind(lifetime or 1.5, lifetime or 1.5, browser=1, cdn=1)
        self._seconds = self.kind.seconds if lifetime is None else lifetime
        self._alone = self.kind.alone if lifetime is None else lifetime
        self._one_by = tuple(one_by)
        self._all_by = tuple(all_by)
        self._by_address = by_address
        self._memory = memory
        self._entries: dict[Hashable, Rendered] = {}
        self._about: dict[Hashable, set[Hashable]] = {}
        """Keys of answers, kept or being rendered, about a subject that is not itself their key."""
        self._rendering: dict[Hashable, asyncio.Task[Rendered]] = {}
        self._hits = HITS.labels(kind)
        self._misses = MISSES.labels(kind)
        self._control = (b"cache-control", self.kind.cache_control.encode())
        memory.join(self)

    def fresh(self, key: Hashable) -> Rendered | None:
        """The answer of a key if it is kept and still holds."""
        entry = self._entries.get(key)
        return entry if entry is not None and self.shows(entry) else None

    def shows(self, entry: Rendered) -> bool:
        """Whether an entry of this cache still holds; counts a hit."""
        if not self._memory.holds(entry):
            return False
        self._hits.inc()
        return True

    async def get(
        self, key: Hashable, render: Callable[[], Awaitable[bytes | Body]], *, subject: Hashable = None
    ) -> Rendered:
        """The answer of a key, rendered at most once at a time. What ``render`` raises goes to all who wait for it."""
        entry = self.fresh(key)
        if entry is not None:
            return entry
        running = self._rendering.get(key)
        if running is None:
            self._misses.inc()
            if subject is not None and subject != key:
                self._about.setdefault(subject, set()).add(key)
            running = asyncio.create_task(self._render(key, render, subject))
            self._rendering[key] = running
            running.add_done_callback(partial(self._rendered, key, subject))
        else:
            self._hits.inc()
        return await asyncio.shield(running)  # who goes away must not take the answer from the others

    def forget(self, *subjects: Hashable) -> None:
        """Drop the answers about subjects whose truth has changed; a rendering under way is not kept."""
        for subject in subjects:
            for key in (subject, *self._about.get(subject, ())):
                self._rendering.pop(key, None)
                entry = self._entries.get(key)
                if entry is not None:
                    self.drop(entry)

    def clear(self) -> None:
        """Drop everything."""
        self._rendering.clear()
        for entry in list(self._entries.values()):
            self.drop(entry)

    def apply(self, news: Mapping[str, Iterable[str]]) -> None:
        """Drop what news (subjects by topic) makes old."""
        if any(topic in news for topic in self._all_by):
            self.clear()
            return
        for topic in self._one_by:
            self.forget(*news.get(topic, ()))

    def drop(self, entry: Rendered) -> None:
        """Forget one entry."""
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]
        self._memory.drop(entry)
        self._forget_key(entry.key, entry.subject)

    def know(self, entry: Rendered, request: Request) -> None:
        """Answer this request's address at once from now on."""
        if not self._by_address:
            return
        target = target_of(request.scope["path"], request.scope["query_string"])
        self._memory.know(entry, target, request.scope.get("route"))

    async def _render(
        self, key: Hashable, render: Callable[[], Awaitable[bytes | Body]], subject: Hashable
    ) -> Rendered:
        began = time.monotonic()
        made = await render()
        body = made if isinstance(made, Body) else Body(made)
        entry = self._entry(key, subject, body, began)
        if self._rendering.get(key) is asyncio.current_task():  # else news came that this rendering may not know
            known = self._entries.get(key)
            if known is not None:
                self.drop(known)
            if self._memory.keep(entry):
                self._entries[key] = entry
                if subject is not None and subject != key:
                    self._about.setdefault(subject, set()).add(key)
        return entry

    def _entry(self, key: Hashable, subject: Hashable, body: Body, began: float) -> Rendered:
        etag = f'"{blake2b(body.bytes, digest_size=8).hexdigest()}"'
        length = (b"content-length", str(len(body.bytes)).encode())
        lives = self._seconds if body.at_most is None else min(self._seconds, body.at_most)
        return Rendered(
            self,
            key,
            subject,
            body.bytes,
            etag,
            (_JSON, length, (b"etag", etag.encode()), self._control),
            expires=began + lives,
            counts_alone_until=began + min(lives, self._alone),
            size=len(body.bytes) + _ENTRY_BYTES,
        )

    def _rendered(self, key: Hashable, subject: Hashable, task: asyncio.Task[Rendered]) -> None:
        if self._rendering.get(key) is task:
            del self._rendering[key]
        self._forget_key(key, subject)

    def _forget_key(self, key: Hashable, subject: Hashable) -> None:
        """A key that is neither kept nor being rendered is no longer about its subject."""
        if key in self._entries or key in self._rendering:
            return
        keys = self._about.get(subject)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._about[subject]


_JSON = (b"content-type", b"application/json")


def target_of(path: str, query: bytes) -> Hashable:
    """What a request asks for, as the room knows it."""
    return (path, query) if query else path


def rendered_response(request: Request, rendered: Rendered, cache_control: str | None = None) -> Response:
    """The answer, or 304 when the caller has it already. What anybody may keep is found by its address from now on."""
    control = rendered.cache.kind.cache_control if cache_control is None else cache_control
    if request.method == "GET" and cache_control is None:
        rendered.cache.know(rendered, request)
    headers = {"ETag": rendered.etag, "Cache-Control": control}
    if is_known(request.headers.get("if-none-match"), rendered.etag):
        return Response(status_code=304, headers=headers)
    return Response(rendered.body, media_type="application/json", headers=headers)


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has the answer of this tag (RFC 9110, 13.1.2: a list, compared weakly)."""
    if if_none_match is None:
        return False
    return if_none_match == etag or any(
        one.strip().removeprefix("W/") in (etag, "*") for one in if_none_match.split(",")
    )
