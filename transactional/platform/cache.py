"""Rendered answers kept in the worker for a moment: the fastest answer is one that is already bytes.

An entry lives ``lifetime`` seconds of real time, so a change made by another worker is seen at the latest then; this
worker's own writes ``forget`` what they touched at once. Concurrent misses of one key wait for one rendering. Redis is not
asked: a read there costs more than half of what PostgreSQL takes for the row itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from hashlib import blake2b

from fastapi import Request, Response
from prometheus_client import Counter

HITS = Counter("lakefront_rendered_cache_hits", "Answers taken from the worker's cache.", ["kind"])
MISSES = Counter("lakefront_rendered_cache_misses", "Answers rendered anew.", ["kind"])


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer's body, with the tag that browsers and CDNs ask again with."""

    body: bytes
    etag: str
    expires: float


class RenderedCache:
    """Bounded map from a key to a rendered answer."""

    def __init__(self, kind: str, *, lifetime: float, size: int) -> None:
        self._lifetime = lifetime
        self._size = size
        self._entries: dict[Hashable, Rendered] = {}
        self._rendering: dict[Hashable, asyncio.Future[Rendered]] = {}
        self._generation = 0
        self._hits = HITS.labels(kind)
        self._misses = MISSES.labels(kind)

    def fresh(self, key: Hashable) -> Rendered | None:
        """The answer of a key if it is kept and still holds."""
        entry = self._entries.get(key)
        if entry is None or entry.expires <= time.monotonic():
            return None
        self._hits.inc()
        return entry

    async def get(self, key: Hashable, render: Callable[[], Awaitable[bytes]]) -> Rendered:
        """The answer of a key, rendered at most once at a time. What ``render`` raises goes to all who wait for it."""
        entry = self.fresh(key)
        if entry is not None:
            return entry
        running = self._rendering.get(key)
        if running is None:
            self._misses.inc()
            running = asyncio.ensure_future(self._render(key, render))
            self._rendering[key] = running
            running.add_done_callback(lambda _: self._rendering.pop(key, None))
        else:
            self._hits.inc()
        return await asyncio.shield(running)  # who goes away must not take the answer from the others

    def forget(self, *keys: Hashable) -> None:
        """Drop keys whose truth has changed; a rendering under way is not kept."""
        self._generation += 1
        for key in keys:
            self._entries.pop(key, None)
            self._rendering.pop(key, None)

    def clear(self) -> None:
        """Drop everything."""
        self._generation += 1
        self._entries.clear()
        self._rendering.clear()

    async def _render(self, key: Hashable, render: Callable[[], Awaitable[bytes]]) -> Rendered:
        generation = self._generation
        body = await render()
        etag = f'"{blake2b(body, digest_size=8).hexdigest()}"'
        entry = Rendered(body, etag, time.monotonic() + self._lifetime)
        if generation == self._generation:
            self._keep(key, entry)
        return entry

    def _keep(self, key: Hashable, entry: Rendered) -> None:
        if len(self._entries) >= self._size and key not in self._entries:
            now = time.monotonic()
            self._entries = {known: value for known, value in self._entries.items() if value.expires > now}
            for oldest in list(self._entries)[: max(0, len(self._entries) - self._size + 1)]:
                del self._entries[oldest]
        self._entries[key] = entry


def rendered_response(request: Request, rendered: Rendered, cache_control: str) -> Response:
    """The answer, or 304 when the caller has it already."""
    headers = {"ETag": rendered.etag, "Cache-Control": cache_control}
    if request.headers.get("if-none-match") == rendered.etag:
        return Response(status_code=304, headers=headers)
    return Response(rendered.body, media_type="application/json", headers=headers)
