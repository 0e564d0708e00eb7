"""The rendered cache: one rendering at a time, nothing older than its lifetime, nothing that was forgotten meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from transactional.platform.cache import Body, Memory, RenderedCache, is_known

ROOM = 1024 * 1024


class Renderer:
    """Counts renderings, and can be held."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> bytes:
        self.count += 1
        value = self.count
        await self.gate.wait()
        return b"%d" % value


async def test_concurrent_misses_render_once() -> None:
    cache, renderer = RenderedCache("test", lifetime=60, memory=Memory(ROOM)), Renderer()
    bodies = await asyncio.gather(*(cache.get("k", renderer) for _ in range(20)))
    assert renderer.count == 1
    assert {rendered.body for rendered in bodies} == {b"1"}


async def test_nothing_lives_longer_than_its_lifetime() -> None:
    cache, renderer = RenderedCache("test", lifetime=0.05, memory=Memory(ROOM)), Renderer()
    await cache.get("k", renderer)
    await asyncio.sleep(0.06)
    assert (await cache.get("k", renderer)).body == b"2"


async def test_what_was_forgotten_while_rendering_is_not_kept() -> None:
    cache, renderer = RenderedCache("test", lifetime=60, memory=Memory(ROOM)), Renderer()
    renderer.gate.clear()
    first = asyncio.create_task(cache.get("k", renderer))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cache.forget("k")
    renderer.gate.set()
    assert (await first).body == b"1"
    assert (await cache.get("k", renderer)).body == b"2"


async def test_an_error_goes_to_all_and_is_not_kept() -> None:
    cache = RenderedCache("test", lifetime=60, memory=Memory(ROOM))

    async def broken() -> bytes:
        raise LookupError("gone")

    results = await asyncio.gather(*(cache.get("k", broken) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    assert (await cache.get("k", Renderer())).body == b"1"


async def test_who_goes_away_does_not_take_the_answer_from_others() -> None:
    cache, renderer = RenderedCache("test", lifetime=60, memory=Memory(ROOM)), Renderer()
    renderer.gate.clear()
    impatient = asyncio.create_task(cache.get("k", renderer))
    patient = asyncio.create_task(cache.get("k", renderer))
    await asyncio.sleep(0)
    impatient.cancel()
    renderer.gate.set()
    assert (await patient).body == b"1"
    with pytest.raises(asyncio.CancelledError):
        await impatient


def of_bytes(size: int) -> Callable[[], Awaitable[bytes]]:
    async def render() -> bytes:
        return b"x" * size

    return render


async def test_the_room_is_bounded_by_bytes_and_what_was_asked_for_longest_ago_goes_first() -> None:
    memory = Memory(200_000)
    pages = RenderedCache("test", lifetime=60, memory=memory)
    lists = RenderedCache("test", lifetime=60, memory=memory)
    for number in range(19):
        await (pages if number % 2 else lists).get(number, of_bytes(9_100))
    assert (len(memory), memory.bytes) == (19, 19 * 10_000)
    assert lists.fresh(0) is not None  # asked for again: 1 is the oldest now
    await pages.get("one", of_bytes(9_100))
    assert memory.bytes == 200_000
    await pages.get("one more", of_bytes(9_100))
    assert memory.bytes == 200_000
    assert pages.fresh(1) is None
    assert lists.fresh(0) is not None
    await lists.get("a large one", of_bytes(11_100))
    assert memory.bytes <= 200_000
    assert [pages.fresh(3), lists.fresh(2)] == [None, None]


async def test_what_would_take_much_of_the_room_is_answered_but_not_kept() -> None:
    memory = Memory(160_000)
    pages = RenderedCache("test", lifetime=60, memory=memory)
    assert len((await pages.get("large", of_bytes(20_000))).body) == 20_000
    assert (pages.fresh("large"), memory.bytes) == (None, 0)


async def test_an_entry_may_live_shorter_than_its_kind() -> None:
    memory = Memory(ROOM)
    memory.followed_until = time.monotonic() + 60
    cache = RenderedCache("product", memory=memory)

    async def render() -> Body:
        return Body(b"held", at_most=0.05)

    await cache.get("k", render)
    assert cache.fresh("k") is not None
    await asyncio.sleep(0.06)
    assert cache.fresh("k") is None


async def test_without_news_an_entry_counts_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, moment = Memory(ROOM), time.monotonic()
    cache, renderer = RenderedCache("product", memory=memory), Renderer()
    memory.followed_until = moment + 10
    await cache.get("k", renderer)
    monkeypatch.setattr("transactional.platform.cache.time.monotonic", lambda: moment + 9)
    assert cache.fresh("k") is not None
    monkeypatch.setattr("transactional.platform.cache.time.monotonic", lambda: moment + 11)
    assert cache.fresh("k") is None
    memory.followed_until = moment + 20  # the teller is back, and has told of everything
    assert cache.fresh("k") is not None
    monkeypatch.setattr("transactional.platform.cache.time.monotonic", lambda: moment + 3601)
    memory.followed_until = moment + 4000
    assert cache.fresh("k") is None


async def test_news_of_a_subject_reaches_all_answers_about_it_and_renderings_under_way() -> None:
    memory, renderer = Memory(ROOM), Renderer()
    pages = RenderedCache("test", lifetime=60, one_by=("product", "stock"), memory=memory)
    lists = RenderedCache("test", lifetime=60, all_by=("product",), memory=memory)
    for key in ("a", ("a", "de"), "b"):
        await pages.get(key, renderer, subject=key[0])
    await lists.get("newest", renderer)
    memory.apply({"stock": ["a"]})
    assert [pages.fresh(key) is not None for key in ("a", ("a", "de"), "b")] == [False, False, True]
    assert lists.fresh("newest") is not None
    renderer.gate.clear()
    late = asyncio.create_task(pages.get(("a", "de"), renderer, subject="a"))
    other = asyncio.create_task(pages.get("c", renderer, subject="c"))
    await asyncio.sleep(0.01)
    memory.apply({"product": ["a"]})
    renderer.gate.set()
    await asyncio.gather(late, other)
    assert pages.fresh(("a", "de")) is None
    assert pages.fresh("c") is not None  # news of another product does not disturb it
    assert lists.fresh("newest") is None
    assert pages._about == {}
    assert memory.bytes == sum(entry.size for entry in memory._entries)


def test_tags_are_compared_weakly_and_in_lists() -> None:
    known = ['"a"', 'W/"a"', '"b", "a"', "*"]
    assert [is_known(header, '"a"') for header in known] == [True] * 4
    assert [is_known(header, '"a"') for header in [None, "", '"b"', "a"]] == [False] * 4
