"""Pages that workers share in Redis: the newer version wins, news takes the old one out, and what is in doubt is not shown."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
import pytest
import pytest_asyncio
from fastapi import FastAPI

from lakefront.ids import new_id
from lakefront.redis_connection import RedisConnection
from transactional.catalogue import service
from transactional.platform.cache import Body, Memory, Rendered, RenderedCache
from transactional.platform.invalidations import EPOCH, News, tell
from transactional.platform.news_follower import Follower
from transactional.platform.shared_answers import Made, SharedAnswers

PRODUCT = "0192-product"


class Row:
    """A row whose reading takes as long as a test wants."""

    def __init__(self) -> None:
        self.version, self.price = 1, b"10.00"
        self.reads = 0

    async def read(self, gate: asyncio.Event | None = None) -> tuple[bytes, int]:
        self.reads += 1
        found = self.price, self.version
        if gate is not None:
            await gate.wait()
        return found

    def change(self, price: bytes) -> None:
        self.version, self.price = self.version + 1, price


class Worker:
    """An API worker: its own caches and connections."""

    def __init__(self, url: str) -> None:
        memory = Memory(1024 * 1024)
        self.pages = RenderedCache("product", one_by=("product", "stock"), memory=memory)
        self.tail, self.store = RedisConnection(url), RedisConnection(url)
        self.follower = Follower(self.tail, 1, memory)
        self.shared = SharedAnswers(self.store, self.follower, 3600)

    async def page(self, row: Row, gate: asyncio.Event | None = None) -> Rendered:
        """As the catalogue renders a page."""

        async def render() -> Body:
            before = self.shared.before()
            assert before is not None
            if found := await self.shared.get(PRODUCT, ""):
                return Body(*found)
            body, version = await row.read(gate)
            await self.shared.put(Made(PRODUCT, "", body, version, before))
            return Body(body)

        return await self.pages.get(PRODUCT, render, subject=PRODUCT)

    async def close(self) -> None:
        await self.shared.close()
        await self.tail.close()
        await self.store.close()


class Relay:
    """The teller."""

    def __init__(self, url: str) -> None:
        self.store = RedisConnection(url)
        self.name, self.number = str(new_id()), 0

    async def tells(self, is_all: bool = False, **topics: list[str]) -> None:
        self.number += 1
        await tell(self.store, News(self.name, self.number, time.time(), (0,), is_all, topics))


@pytest_asyncio.fixture
async def house(own_redis: tuple[str, subprocess.Popen[bytes]]) -> AsyncIterator[tuple[Relay, Worker, Worker]]:
    relay, workers = Relay(own_redis[0]), [Worker(own_redis[0]) for _ in range(2)]
    await relay.tells(is_all=True)
    for worker in workers:
        await worker.follower.read()
    await relay.tells()
    await hear(*workers)
    yield relay, workers[0], workers[1]
    for worker in workers:
        await worker.close()
    await relay.store.close()


async def hear(*workers: Worker) -> None:
    for worker in workers:
        await worker.follower.read()


async def is_shared(worker: Worker, subject: str, variant: str = "") -> bytes:
    """What the store has, once it has it."""
    async with asyncio.timeout(5.0):
        while (found := await worker.shared.get(subject, variant)) is None:
            await asyncio.sleep(0.01)
    return found[0]


House = tuple[Relay, Worker, Worker]


async def test_what_one_worker_rendered_the_other_need_not_read(house: House) -> None:
    _, one, other = house
    row = Row()
    assert (await one.page(row)).body == (await other.page(row)).body == b"10.00"
    assert row.reads == 1


async def test_two_workers_fill_while_the_row_changes_and_the_newer_wins(house: House) -> None:
    relay, one, other = house
    row, gate = Row(), asyncio.Event()
    slow = asyncio.create_task(one.page(row, gate))  # has read the old row
    while row.reads == 0:
        await asyncio.sleep(0.01)
    row.change(b"11.00")
    assert (await other.page(row)).body == b"11.00"
    gate.set()
    assert (await slow).body == b"10.00"
    assert await one.shared.get(PRODUCT, "") == (b"11.00", 3600.0)  # the late fill lost, before any news
    await relay.tells(product=[PRODUCT])
    await hear(one, other)
    assert [(await worker.page(row)).body for worker in (one, other)] == [b"11.00"] * 2


async def test_a_fill_that_began_before_the_news_comes_too_late(house: House) -> None:
    relay, one, other = house
    row, gate = Row(), asyncio.Event()
    slow = asyncio.create_task(one.page(row, gate))
    while row.reads == 0:
        await asyncio.sleep(0.01)
    row.change(b"11.00")
    await relay.tells(product=[PRODUCT])  # nobody has read the new row yet, so no version would tell
    await hear(other)  # and the slow one has not even heard of it
    gate.set()
    await slow
    assert await one.shared.get(PRODUCT, "") is None
    assert (await other.page(row)).body == b"11.00"
    await hear(one)
    assert (await one.page(row)).body == b"11.00"


async def test_news_takes_out_all_that_is_shared_about_a_product_and_nothing_else(house: House) -> None:
    relay, one, _ = house
    before = one.shared.before()
    assert before is not None
    for subject, variant in (("a", ""), ("a", "de"), ("b", "")):
        assert await one.shared.put(Made(subject, variant, b"{}", 1, before)) == [True]
    await relay.tells(stock=["a"])
    found = [await one.shared.get(subject, variant) for subject, variant in (("a", ""), ("a", "de"), ("b", ""))]
    assert [each is not None for each in found] == [False, False, True]


async def test_when_everything_may_be_old_nothing_shared_before_is_shown(house: House) -> None:
    relay, one, _ = house
    before = one.shared.before()
    assert before is not None
    assert await one.shared.put(Made("a", "", b"{}", 9, before)) == [True]
    await relay.tells(is_all=True)
    assert await one.shared.get("a", "") is None
    assert await one.shared.put(Made("a", "", b"{}", 9, before)) == [False]
    await hear(one)
    after = one.shared.before()
    assert after is not None
    assert await one.shared.put(Made("a", "", b"{}", 1, after)) == [True]  # a version of before counts no longer
    assert await one.shared.get("a", "") is not None


async def test_a_store_that_lost_its_data_takes_nothing_that_began_before(house: House) -> None:
    relay, one, _ = house
    before = one.shared.before()
    assert before is not None
    await relay.store.ask([("FLUSHALL",)])
    assert await one.shared.put(Made("a", "", b"{}", 1, before)) == [False]
    await relay.tells()
    assert await one.shared.put(Made("a", "", b"{}", 1, before)) == [False]
    assert await relay.store.ask([("EXISTS", EPOCH)]) == [1]


async def test_answers_that_are_made_at_once_are_put_there_together(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one, other = house
    before, asked = one.shared.before(), one.store.ask
    assert before is not None
    rounds: list[int] = []

    async def counted(commands: Any) -> Any:
        rounds.append(len(commands))
        return await asked(commands)

    await asked([("SCRIPT", "FLUSH")])  # as in a Redis that has just been started
    monkeypatch.setattr(one.store, "ask", counted)
    for subject in ("a", "b", "c"):
        one.shared.share(Made(subject, "", subject.encode(), 1, before))
    assert [await is_shared(other, subject) for subject in ("a", "b", "c")] == [b"a", b"b", b"c"]
    one.shared.share(Made("d", "", b"d", 1, before))
    assert await is_shared(other, "d") == b"d"
    assert rounds == [3, 3, 1]  # the script's text was needed once


async def test_news_overtakes_what_waits_to_be_shared(house: House) -> None:
    relay, one, _ = house
    before = one.shared.before()
    assert before is not None
    one.shared.share(Made("a", "", b"old", 1, before))
    await relay.tells(product=["a"])
    one.shared.share(Made("b", "", b"new", 1, before))
    assert await is_shared(one, "b") == b"new"
    assert await one.shared.get("a", "") is None


async def test_without_news_nothing_is_shared(house: House) -> None:
    _, one, _ = house
    one.follower._memory.followed_until = 0.0
    assert one.shared.before() is None


async def test_a_paused_store_is_late_and_then_left_alone(house: House, own_redis: tuple[str, Any]) -> None:
    _, one, _ = house
    before = one.shared.before()
    assert before is not None
    own_redis[1].send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert [await one.shared.get("a", "") for _ in range(30)] == [None] * 30
    assert await one.shared.put(Made("a", "", b"{}", 1, before)) == [False]
    assert time.monotonic() - began < 1.0


async def test_what_took_long_to_render_is_not_shared(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    _, one, _ = house
    before = one.shared.before()
    assert before is not None
    monkeypatch.setattr("transactional.platform.shared_answers.time.monotonic", lambda: before.began + 5.1)
    assert await one.shared.put(Made("a", "", b"{}", 1, before)) == [False]


async def test_a_page_that_another_release_has_rendered_is_not_shown(
    house: House, app: FastAPI, create_product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, one, _ = house
    product = UUID((await create_product(title="Lantern"))["product_id"])
    monkeypatch.setattr(service, "shared_pages", lambda core: one.shared)
    await relay.tells()
    await one.follower.read()

    async def title() -> str:
        service.pages.clear()
        return str(orjson.loads((await service.product_page(app.state.core, product)).body)["title"])

    assert await title() == "Lantern"
    await is_shared(one, str(product), f"{service._RENDERING}:")
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE products SET title = 'Torch' WHERE id = %s", [product])
    assert await title() == "Lantern"  # nobody was told: this is what was shared
    monkeypatch.setattr(service, "_RENDERING", "of the next release")
    assert await title() == "Torch"
