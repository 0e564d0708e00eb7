"""The rendered cache: one rendering at a time, nothing older than its lifetime, nothing that was forgotten meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from transactional.platform.cache import RenderedCache


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
    cache, renderer = RenderedCache("test", lifetime=60, size=10), Renderer()
    bodies = await asyncio.gather(*(cache.get("k", renderer) for _ in range(20)))
    assert renderer.count == 1
    assert {rendered.body for rendered in bodies} == {b"1"}


async def test_nothing_lives_longer_than_its_lifetime() -> None:
    cache, renderer = RenderedCache("test", lifetime=0.05, size=10), Renderer()
    await cache.get("k", renderer)
    await asyncio.sleep(0.06)
    assert (await cache.get("k", renderer)).body == b"2"


async def test_what_was_forgotten_while_rendering_is_not_kept() -> None:
    cache, renderer = RenderedCache("test", lifetime=60, size=10), Renderer()
    renderer.gate.clear()
    first = asyncio.create_task(cache.get("k", renderer))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cache.forget("k")
    renderer.gate.set()
    assert (await first).body == b"1"
    assert (await cache.get("k", renderer)).body == b"2"


async def test_an_error_goes_to_all_and_is_not_kept() -> None:
    cache = RenderedCache("test", lifetime=60, size=10)

    async def broken() -> bytes:
        raise LookupError("gone")

    results = await asyncio.gather(*(cache.get("k", broken) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    assert (await cache.get("k", Renderer())).body == b"1"


async def test_who_goes_away_does_not_take_the_answer_from_others() -> None:
    cache, renderer = RenderedCache("test", lifetime=60, size=10), Renderer()
    renderer.gate.clear()
    impatient = asyncio.create_task(cache.get("k", renderer))
    patient = asyncio.create_task(cache.get("k", renderer))
    await asyncio.sleep(0)
    impatient.cancel()
    renderer.gate.set()
    assert (await patient).body == b"1"
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_the_size_is_kept() -> None:
    cache, renderer = RenderedCache("test", lifetime=60, size=3), Renderer()
    for key in range(10):
        await cache.get(key, renderer)
    assert len(cache._entries) <= 3
    assert cache.fresh(9) is not None
