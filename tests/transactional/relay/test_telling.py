"""What the relay tells the API's workers: every change once it is on the bus, stock once a second, and how far all is told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import psycopg
import pytest
import pytest_asyncio

from lakefront.ids import new_id
from lakefront.redis_connection import RedisConnection
from transactional.platform.database import Connection
from transactional.platform.invalidations import STREAM, News
from transactional.relay import store
from transactional.relay.telling import Changed, Coalesced, Teller


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_subject_is_told_at_once_then_once_a_second_and_after_its_last_change() -> None:
    clock = Clock()
    stock = Coalesced(1.0, clock)
    told = []
    for step in range(32):  # a sale every 62.5 ms for two seconds
        stock.add(["a"])
        told += [(step, each) for each in stock.due()]
        clock.now += 0.0625
    assert told == [(0, "a"), (16, "a")]
    clock.now += 1.0
    assert stock.due() == ["a"]
    clock.now += 10.0
    assert stock.due() == []


def test_subjects_do_not_wait_for_each_other() -> None:
    clock = Clock()
    stock = Coalesced(1.0, clock)
    stock.add(["a"])
    assert stock.due() == ["a"]
    clock.now += 0.5
    stock.add(["a", "b"])
    assert stock.due() == ["b"]
    clock.now += 0.6
    assert stock.due() == ["a"]


@pytest.mark.parametrize(
    ("event_type", "data", "expected"),
    [
        ("pricing.price.changed.v1", {"product_id": "a"}, Changed({"a"})),
        ("catalogue.product.listed.v1", {"product_id": "a"}, Changed({"a"}, is_listing=True)),
        ("inventory.stock.changed.v1", {"product_id": "a", "available": 4, "change": -1}, Changed(stock={"a"})),
        (
            "inventory.stock.changed.v1",
            {"product_id": "a", "available": 0, "change": -1},
            Changed(stock={"a"}, is_availability=True),
        ),
        (
            "inventory.stock.changed.v1",
            {"product_id": "a", "available": 7, "change": 7},
            Changed(stock={"a"}, is_availability=True),
        ),
        ("reviews.review.changed.v1", {"product_id": "a", "is_public": True}, Changed({"a"})),
        ("reviews.review.changed.v1", {"product_id": "a", "is_public": False}, Changed()),
        (
            "catalogue.seller.changed.v1",
            {"seller": "a-ab", "status": "suspended", "previous_status": "active"},
            Changed(is_seller=True),
        ),
        ("catalogue.seller.changed.v1", {"seller": "a-ab", "status": "pending", "previous_status": None}, Changed()),
        ("commerce.order.placed.v1", {"order_id": "o", "lines": [{"product_id": "a"}]}, Changed()),
    ],
)
def test_what_an_event_makes_old(event_type: str, data: dict[str, Any], expected: Changed) -> None:
    changed = Changed()
    changed.note(event_type, data)
    assert changed == expected


def payload(*events: dict[str, Any]) -> bytes:
    return b"\n".join(orjson.dumps({"event_type": "pricing.price.changed.v1", "data": each}) for each in events)


class Heard:
    """The stream since a test began."""

    def __init__(self, connection: RedisConnection, last: str) -> None:
        self._connection = connection
        self._last = last

    async def news(self) -> list[News]:
        [entries] = await self._connection.ask([("XRANGE", STREAM, f"({self._last}", "+")])
        if entries:
            self._last = entries[-1][0].decode()
        return [News.of(fields) for _, fields in entries]


@pytest_asyncio.fixture
async def caches(own_redis: tuple[str, Any]) -> AsyncIterator[RedisConnection]:
    made = RedisConnection(own_redis[0])
    yield made
    await made.close()


@pytest_asyncio.fixture
async def session(database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as made:
        yield made


@pytest.fixture
def teller(session: Connection, caches: RedisConnection) -> Teller:
    return Teller(session, caches)


@pytest.fixture
def heard(caches: RedisConnection) -> Heard:
    return Heard(caches, "0-0")


async def test_a_teller_begins_by_saying_that_everything_may_be_old(teller: Teller, heard: Heard) -> None:
    product = str(new_id())
    await teller.published([payload({"product_id": product})])
    await teller.published([payload({"product_id": product}), b'{"event_type": "other", "data": {}}'])
    assert [(news.number, news.is_all, news.topics) for news in await heard.news()] == [
        (1, True, {"product": [product]}),
        (2, False, {"product": [product]}),
    ]


async def test_a_change_of_a_variant_reaches_its_products_page(
    teller: Teller, heard: Heard, client: httpx.AsyncClient, create_product: Any
) -> None:
    sizes = [{"sku": new_id().hex, "options": {"size": size}} for size in ("S", "M")]
    listed = await create_product(variants=sizes)
    variant = listed["variants"][1]["variant_id"]
    await teller.published([payload({"product_id": variant})])
    [news] = await heard.news()
    assert sorted(news.topics["product"]) == sorted([variant, listed["product_id"]])


async def test_any_page_may_name_a_seller_that_changes_and_none_one_that_is_new(teller: Teller, heard: Heard) -> None:
    await teller.published([payload({"product_id": str(new_id())})])
    for previous in (None, "active"):
        data = {"seller": "a-ab", "status": "active", "previous_status": previous}
        await teller.published([orjson.dumps({"event_type": "catalogue.seller.changed.v1", "data": data})])
    assert [(news.is_all, news.topics) for news in (await heard.news())[1:]] == [(True, {"seller": []})]


async def test_an_event_that_cannot_be_understood_may_have_changed_anything(teller: Teller, heard: Heard) -> None:
    await teller.published([payload({"product_id": str(new_id())})])
    await teller.published([b'{"event_type": "x", "data": {"product_id"', payload({"product_id": str(new_id())})])
    assert [news.is_all for news in await heard.news()] == [True, True]


async def test_when_the_store_did_not_answer_everything_may_be_old(
    teller: Teller, heard: Heard, own_redis: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await teller.published([payload({"product_id": str(new_id())})])
    own_redis[1].send_signal(19)  # SIGSTOP
    began = time.monotonic()
    for _ in range(50):
        await teller.published([payload({"product_id": str(new_id())})])
    assert time.monotonic() - began < 2.0  # the bus does not wait for the store
    own_redis[1].send_signal(18)
    monkeypatch.setattr(teller, "_breaker", type(teller._breaker)("again"))
    last = str(new_id())
    await teller.published([payload({"product_id": last})])
    newest = (await heard.news())[-1]
    assert (newest.is_all, newest.topics) == (True, {"product": [last]})


async def test_what_is_put_into_a_cart_is_told_once(
    teller: Teller,
    heard: Heard,
    client: httpx.AsyncClient,
    create_product: Any,
    guest: dict[str, str],
    session: Connection,
) -> None:
    await store.ensure_progress(session, [0])
    await teller.beat(time.time(), [0], True)
    await heard.news()
    product = (await create_product(stock={"main": 5}))["product_id"]
    put = await client.post("/api/v1/cart/items", json={"product_id": product, "quantity": 1}, headers=guest)
    assert put.status_code < 300, put.text
    told = []
    for _ in range(3):
        teller._next_beat = 0.0
        await teller.beat(time.time(), [0], True)
        told += [each for news in await heard.news() for each in news.topics.get("stock", [])]
    assert told.count(product) == 1


async def test_a_word_is_given_when_all_that_was_numbered_is_published(
    teller: Teller, heard: Heard, new_database: Any, migrated_template: str, caches: RedisConnection
) -> None:
    async with await psycopg.AsyncConnection.connect(new_database(migrated_template), autocommit=True) as session:
        teller = Teller(session, caches)
        await store.ensure_progress(session, [0, 1])
        await session.execute("UPDATE relay_progress SET numbered = 7, published = 5 WHERE partition = 1")
        await teller.beat(1000.0, [0, 1], False)  # not all could be numbered
        await teller.beat(1001.0, [0, 1], True)
        assert await heard.news() == []
        await session.execute("UPDATE relay_progress SET numbered = 9, published = 7 WHERE partition = 1")
        await teller.beat(1002.0, [0, 1], True)
        await teller.beat(1003.0, [0, 1], True)  # too soon for the next
        assert [(news.read_at, news.partitions) for news in await heard.news()] == [(1001.0, (0, 1))]
