"""The feature writer: clicks and orders come online, once, whatever repeats, comes late, breaks or goes away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import orjson
import pytest
import redis as redis_sync

from features.definitions import FAILED, ORDERS, PARTY_RECENT, SESSION_RECENT, USER_RECENT, VIEWED, items_of
from lakefront.bus import CLICKS, COMMERCE, Pack, connect
from lakefront.clock import iso, real_now
from lakefront.contracts import partition_of
from lakefront.ids import new_id
from lakefront.latency import CLICK_TO_FEATURE, latencies, read_samples
from lakefront.runtime import ports, redis_server
from lakefront.settings import settings
from pipelines.streaming.feature_writer import PROGRESS_KEY, FeatureWriter, Replaced, open_store
from serving.online_store import Lookup, OnlineStore

PARTITIONS = 2


class World:
    """A bus and a store of the test's own, with a writer between them."""

    def __init__(self, bus_url: str, store_url: str) -> None:
        self.bus_url, self.store_url = bus_url, store_url
        self.bus = connect(bus_url)
        self.writers: list[tuple[asyncio.Event, asyncio.Task[None], object]] = []

    def start(self) -> FeatureWriter:
        store, stopping = open_store(settings().model_copy(update={"store_url": self.store_url})), asyncio.Event()
        writer = FeatureWriter(connect(self.bus_url), store, PARTITIONS)
        self.writers.append((stopping, asyncio.create_task(writer.run(stopping)), store))
        return writer

    async def stop(self) -> None:
        for stopping, task, store in self.writers:
            stopping.set()
            await task
            await store.aclose()
        self.writers.clear()

    async def publish(self, *envelopes: dict, stream: str = CLICKS) -> None:
        for envelope in envelopes:
            line = envelope if isinstance(envelope, bytes) else orjson.dumps(envelope)
            key = "broken" if isinstance(envelope, bytes) else envelope["key"]
            await self.bus.publish([Pack(stream, partition_of(key, PARTITIONS), line, 1)])

    async def stored(self, view, entity):
        store = OnlineStore(self.store_url, 2000)
        try:
            return (await store.read([Lookup(entity, (view,))]))[0][view.name]
        finally:
            await store.close()

    async def items(self, view, entity, columns=VIEWED):
        return items_of((await self.stored(view, entity)).features, columns)

    async def until(self, view, entity, count, columns=VIEWED, seconds=10.0):
        """The items once there are so many of them."""
        deadline = time.monotonic() + seconds
        while len(found := await self.items(view, entity, columns)) != count:
            assert time.monotonic() < deadline, f"{len(found)} items, not {count}"
            await asyncio.sleep(0.03)
        return found


@pytest.fixture
async def world(tmp_path):
    """Redis processes of the test's own: the store is emptied, paused and killed here."""
    urls, processes = [], []
    for kind in ("bus", "store"):
        port = ports.any_free()
        (tmp_path / kind).mkdir()
        command = redis_server.command(kind, tmp_path / kind, port, {"appendfsync": "no"})
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        urls.append(redis_server.url(port))
        redis_server.wait_until_ready(urls[-1], alive=processes[-1])
    made = World(*urls)
    made.store_process = processes[1]
    yield made
    await made.stop()
    await made.bus.close()
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait(timeout=10)


def envelope(event_type, key, data, *, at=None, metadata=None, sequence=None, event_id=None):
    return {
        "event_id": str(event_id or new_id()), "event_type": event_type, "occurred_at": iso(at or real_now()),
        "recorded_at": iso(real_now()), "source": "test", "key": key, "sequence": sequence, "data": data,
        "metadata": metadata or {},
    }  # fmt: skip


def click(session, product=None, user=None, **envelope_fields):
    data = {"session": session, "product_id": str(product or uuid4())}
    metadata = {"user": str(user)} if user else {}
    return envelope("storefront.product.viewed.v1", session, data, metadata=metadata, **envelope_fields)


def order(user, card, *, device="dev", total="12.50", order_id=None, **envelope_fields):
    order_id = str(order_id or uuid4())
    line = {"product_id": str(uuid4()), "sku": "S", "category_path": "a", "quantity": 1, "unit_price": total}
    data = {
        "order_id": order_id, "user": user, "currency": "USD", "total": total, "lines": [line | {"total": total}],
        "card": card, "device": device, "address": "addr",
    }  # fmt: skip
    return envelope("commerce.order.placed.v1", order_id, data, sequence=1, **envelope_fields)


def payment(user, card, status, **envelope_fields):
    payment_id = str(uuid4())
    data = {
        "payment_id": payment_id, "order_id": str(uuid4()), "user": user, "status": status, "amount": "12.50",
        "currency": "USD", "gateway": "sandbox", "card": card,
    }  # fmt: skip
    return envelope("payments.payment.changed.v1", payment_id, data, sequence=2, **envelope_fields)


async def test_a_click_is_online_within_a_second_for_session_and_user(world):
    world.start()
    session, user, product = f"session-{uuid4()}", uuid4(), uuid4()
    begun = real_now()
    await world.publish(click(session, product, user))
    for view, entity in ((SESSION_RECENT, session), (USER_RECENT, str(user))):
        (item,) = await world.until(view, entity, 1)
        assert (item.party, item.value) == (str(product), 1.0)
    with redis_sync.Redis.from_url(world.store_url) as client:
        samples = read_samples(client, CLICK_TO_FEATURE, begun - timedelta(seconds=1))
        assert read_samples(client, CLICK_TO_FEATURE, real_now() + timedelta(hours=1)) == []
    found = latencies(samples)
    assert found.count == 1
    assert 0 < found.p95 < 1000


async def test_what_comes_twice_counts_once_and_what_comes_late_finds_its_place(world):
    world.start()
    session, at = f"session-{uuid4()}", datetime(2026, 1, 5, tzinfo=UTC)
    clicks = [click(session, at=at + timedelta(seconds=second)) for second in range(3)]
    await world.publish(clicks[0], clicks[2])
    await world.until(SESSION_RECENT, session, 2)
    await world.publish(clicks[1], clicks[0], clicks[2])
    found = await world.until(SESSION_RECENT, session, 3)
    assert [item.item_id for item in found] == [one["event_id"] for one in clicks]
    stored = await world.stored(SESSION_RECENT, session)
    assert stored.event_time == at + timedelta(seconds=2)


async def test_only_the_last_fifty_are_kept(world):
    world.start()
    session, at = f"session-{uuid4()}", datetime(2026, 1, 5, tzinfo=UTC)
    clicks = [click(session, at=at + timedelta(seconds=second)) for second in range(60)]
    await world.publish(*clicks)
    deadline = time.monotonic() + 10
    while (await world.items(SESSION_RECENT, session))[-1:] != []:
        found = await world.items(SESSION_RECENT, session)
        if found[-1].item_id == clicks[-1]["event_id"]:
            break
        assert time.monotonic() < deadline
    assert [item.item_id for item in found] == [one["event_id"] for one in clicks[10:]]


async def test_orders_and_failed_payments_reach_all_their_parties(world):
    world.start()
    user, card, device = str(uuid4()), uuid4().hex, uuid4().hex
    placed = order(user, card, device=device)
    await world.publish(placed, payment(user, card, "failed"), payment(user, card, "captured"), stream=COMMERCE)
    (failed,) = await world.until(PARTY_RECENT["card"], card, 1, FAILED)
    (on_card,) = await world.until(PARTY_RECENT["card"], card, 1, ORDERS)
    (of_account,) = await world.until(PARTY_RECENT["account"], user, 1, ORDERS)
    (on_device,) = await world.until(PARTY_RECENT["device"], device, 1, ORDERS)
    assert on_card == on_device == of_account._replace(party=user)
    assert (on_card.item_id, on_card.value) == (placed["key"], 12.5)
    assert of_account.party == card
    assert failed.value == 0.0
    (bought,) = await world.until(USER_RECENT, user, 1)
    assert bought.value == 4.0


async def test_a_restarted_writer_goes_on_where_the_store_stands(world):
    session = f"session-{uuid4()}"
    world.start()
    first = click(session)
    await world.publish(first)
    await world.until(SESSION_RECENT, session, 1)
    await world.stop()
    second = click(session)
    await world.publish(second)
    world.start()
    found = await world.until(SESSION_RECENT, session, 2)
    assert [item.item_id for item in found] == [first["event_id"], second["event_id"]]


async def test_an_emptied_store_is_filled_again_from_the_bus(world):
    session = f"session-{uuid4()}"
    world.start()
    await world.publish(click(session), click(session))
    await world.until(SESSION_RECENT, session, 2)
    with redis_sync.Redis.from_url(world.store_url) as client:
        client.flushall()
    await world.publish(click(session))
    assert len(await world.until(SESSION_RECENT, session, 3)) == 3


async def test_a_paused_store_delays_features_and_loses_none(world, monkeypatch):
    monkeypatch.setattr("pipelines.streaming.feature_writer.STORE_DEADLINE_SECONDS", 0.3)
    session = f"session-{uuid4()}"
    world.start()
    await world.publish(click(session))
    await world.until(SESSION_RECENT, session, 1)
    world.store_process.send_signal(signal.SIGSTOP)
    await world.publish(click(session), click(session))
    await asyncio.sleep(1.0)
    world.store_process.send_signal(signal.SIGCONT)
    await world.until(SESSION_RECENT, session, 3, seconds=20)


async def test_bad_events_are_parked_and_the_others_go_on(world):
    world.start()
    session = f"session-{uuid4()}"
    bad = click(session)
    bad["data"]["product_id"] = "no uuid"
    await world.publish(b"{not json", bad, {**click(session), "occurred_at": "yesterday"}, click(session))
    await world.until(SESSION_RECENT, session, 1)
    deadline = time.monotonic() + 5
    while len(letters := await world.bus.dead_letters()) < 3:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.03)
    assert {letter.consumer for letter in letters} == {"feature-writer"}
    assert any("product_id" in letter.reason for letter in letters)
    assert {letter.payload for letter in letters} >= {b"{not json", orjson.dumps(bad)}


async def test_two_writers_take_turns_and_a_replaced_one_writes_nothing(world):
    session = f"session-{uuid4()}"
    first = world.start()
    await world.publish(click(session))
    await world.until(SESSION_RECENT, session, 1)
    with redis_sync.Redis.from_url(world.store_url) as client:
        client.hset(PROGRESS_KEY, "holder", "another")
        before = client.hgetall(PROGRESS_KEY)
        with pytest.raises(Replaced):
            await first._write({(CLICKS, 0): 1})
        assert client.hgetall(PROGRESS_KEY) == before
    await world.publish(click(session))
    await world.until(SESSION_RECENT, session, 2)


def test_the_process_ends_cleanly_when_told_to(bus_url, store_url, lakefront_home):
    environment = os.environ | {"LAKEFRONT_BUS_PARTITIONS": "2"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.streaming.feature_writer"], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert b'"started"' in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b'"stopped"' in rest
