"""The lake writer between a real bus and a real Delta table: exactly once, whatever is sent twice, late or broken."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pyarrow as pa
import pytest
import pytest_asyncio
from deltalake import DeltaTable
from redis.asyncio import Redis

from lakefront.bus import CLICKS, COMMERCE, Bus, BusError, Pack, connect
from lakefront.clock import iso, real_now
from lakefront.ids import new_id
from lakefront.lake import access, bronze
from lakefront.lake.tables import EVENTS
from pipelines.streaming import lake_writer
from pipelines.streaming.bronze_table import BronzeTable, Overtaken
from pipelines.streaming.lake_writer import LakeWriter
from pipelines.streaming.packs import Lines, to_rows

PARTITIONS = 2


@pytest_asyncio.fixture
async def bus_address(servers) -> AsyncIterator[str]:
    """A Redis database of these tests' own, empty."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    url = servers.bus_url(8 + int(worker.removeprefix("gw")) % 7)
    async with Redis.from_url(url) as redis:
        await redis.flushdb()
    yield url


@pytest_asyncio.fixture
async def bus(bus_address: str) -> AsyncIterator[Bus]:
    opened = connect(bus_address)
    yield opened
    await opened.close()


def envelope(**changes: object) -> bytes:
    now = iso(real_now())
    fields = {
        "event_id": str(new_id()), "event_type": "test.thing.happened.v1", "occurred_at": now, "recorded_at": now,
        "source": "test", "key": "k", "data": {}, "metadata": {},
    }  # fmt: skip
    return json.dumps(fields | changes).encode()


def outbox_pack(first: int, last: int, partition: int = 0) -> Pack:
    lines = [envelope(key=f"key-{position}", sequence=1) for position in range(first, last + 1)]
    return Pack(COMMERCE, partition, b"\n".join(lines), len(lines), first, last)


def click_pack(*lines: bytes, partition: int = 0) -> Pack:
    return Pack(CLICKS, partition, b"\n".join(lines), len(lines))


@asynccontextmanager
async def writing(bus: Bus, lake_uri: str) -> AsyncIterator[LakeWriter]:
    writer = LakeWriter(bus, lake_uri, partitions=PARTITIONS, flush_seconds=0.1)
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        writer.stop()
        await asyncio.wait_for(running, 20)


async def eventually(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.05)


def events(lake_uri: str, stream: str) -> list[dict[str, object]]:
    rows = access.read(EVENTS, lake_uri=lake_uri).to_pylist()
    return sorted((row for row in rows if row["stream"] == stream), key=lambda row: (row["partition"], row["offset"]))


def positions(lake_uri: str, partition: int = 0) -> list[object]:
    return [row["offset"] for row in events(lake_uri, COMMERCE) if row["partition"] == partition]


async def test_both_streams_reach_bronze_word_for_word(bus: Bus, lake_uri: str) -> None:
    sent = [outbox_pack(1, 3), outbox_pack(1, 2, partition=1), click_pack(envelope(), envelope(), partition=1)]
    async with writing(bus, lake_uri):
        offsets = await bus.publish(sent)
        await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 7)
    rows = [*events(lake_uri, COMMERCE), *events(lake_uri, CLICKS)]
    assert [str(row["payload"]).encode() for row in rows] == [
        line for pack in sent for line in pack.payload.split(b"\n")
    ]
    assert positions(lake_uri) == [1, 2, 3]
    assert positions(lake_uri, 1) == [1, 2]
    assert [row["offset"] for row in events(lake_uri, CLICKS)] == [offsets[2], offsets[2] + 1]
    assert {row["recorded_date"] for row in rows} == {row["recorded_at"].date() for row in rows}
    assert all(row["written_at"] >= row["recorded_at"] for row in rows)


async def test_one_commit_says_how_far_every_partition_came(bus: Bus, lake_uri: str) -> None:
    offsets = await bus.publish([outbox_pack(1, 3), outbox_pack(1, 2, partition=1), click_pack(envelope())])
    async with writing(bus, lake_uri):
        await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 6)
    table = DeltaTable(bronze.events_uri(lake_uri))
    assert table.version() == 1
    assert bronze.committed_positions(table, [0, 1]) == {0: 3, 1: 2}
    generation = await bus.generation()
    assert table.transaction_version(bronze.app_id(CLICKS, 0, generation)) == offsets[2]
    assert table.metadata().configuration["delta.enableDeletionVectors"] == "false"
    assert table.metadata().partition_columns == ["recorded_date"]


async def test_what_is_sent_again_is_not_doubled(bus: Bus, lake_uri: str) -> None:
    first, second, third = outbox_pack(1, 3), outbox_pack(4, 6), outbox_pack(7, 8)
    async with writing(bus, lake_uri):
        await bus.publish([first, second])
        await eventually(lambda: len(positions(lake_uri)) == 6)
        await bus.publish([first, second, second, third])
        await eventually(lambda: len(positions(lake_uri)) == 8)
    assert positions(lake_uri) == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_restarted_writer_goes_on_from_bronze(bus: Bus, lake_uri: str) -> None:
    await bus.publish([outbox_pack(1, 3), click_pack(envelope(), envelope())])
    async with writing(bus, lake_uri):
        await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 5)
    await bus.publish([outbox_pack(4, 5), click_pack(envelope())])
    async with writing(bus, lake_uri):
        await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 8)
    assert positions(lake_uri) == [1, 2, 3, 4, 5]
    offsets = [row["offset"] for row in events(lake_uri, CLICKS)]
    assert len(offsets) == len(set(offsets)) == 3


async def test_what_lies_behind_a_gap_waits_and_the_relay_is_asked(bus: Bus, lake_uri: str) -> None:
    early, missing, late = outbox_pack(1, 2), outbox_pack(3, 4), outbox_pack(5, 6)

    async def is_asked() -> bool:
        return (await bus.take_resend_requests()) == {0: 2}

    async with writing(bus, lake_uri):
        await bus.publish([early, late, click_pack(envelope())])
        await eventually(is_asked)
        await eventually(lambda: len(events(lake_uri, CLICKS)) == 1)  # the others go on
        assert positions(lake_uri) == [1, 2]
        await bus.publish([missing, late])
        await eventually(lambda: len(positions(lake_uri)) == 6)
    assert positions(lake_uri) == [1, 2, 3, 4, 5, 6]


async def test_broken_events_are_parked_with_the_reason_and_come_back_by_replay(bus: Bus, lake_uri: str) -> None:
    good, broken, nothing = envelope(), b'{"event_id": ', b"null"
    pack = outbox_pack(1, 2)
    half_bad = Pack(COMMERCE, 0, pack.payload.split(b"\n")[0] + b"\n" + broken, 2, 1, 2)
    async with writing(bus, lake_uri):
        await bus.publish([click_pack(good, nothing), half_bad, outbox_pack(3, 3)])
        await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 3)
        letters = await bus.dead_letters()
        assert sorted((letter.stream, letter.payload) for letter in letters) == [
            (CLICKS, nothing), (COMMERCE, broken),
        ]  # fmt: skip
        assert {letter.consumer for letter in letters} == {"lake-writer"}
        assert all(letter.reason for letter in letters)
        assert positions(lake_uri) == [1, 3]

        mended = [letter for letter in letters if letter.stream == COMMERCE]
        await bus.replay(mended)  # still broken: it is parked anew, nothing else happens

        async def is_parked_anew() -> bool:
            now = await bus.dead_letters()
            return len(now) == 2 and now[-1].id != mended[0].id

        await eventually(is_parked_anew)
    assert len(access.read(EVENTS, lake_uri=lake_uri)) == 3


async def test_a_replayed_event_that_is_sound_by_now_reaches_bronze_once(bus: Bus, lake_uri: str) -> None:
    sound, others = envelope(key="sound"), envelope(key="others")
    await bus.park(COMMERCE, 1, 7, sound, "a bug of ours, mended since", consumer="lake-writer")
    await bus.park(CLICKS, 0, 128, others, "not for bronze", consumer="feature-writer")
    async with writing(bus, lake_uri):
        await bus.replay(await bus.dead_letters())
        await bus.publish([outbox_pack(1, 1), click_pack(envelope())])
        await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 3)
    keys = [row["key"] for row in access.read(EVENTS, lake_uri=lake_uri).to_pylist()]
    assert keys.count("sound") == 1
    assert "others" not in keys


async def test_what_was_read_before_the_bus_went_away_is_committed(bus: Bus, lake_uri: str, monkeypatch) -> None:
    read = bus.read
    away = False

    async def read_while_there(*arguments: object, **options: object):
        if away:
            raise BusError("away")
        return await read(*arguments, **options)

    monkeypatch.setattr(bus, "read", read_while_there)
    writer = LakeWriter(bus, lake_uri, partitions=PARTITIONS, flush_seconds=60)  # only the end of the bus flushes
    running = asyncio.create_task(writer.run())
    await bus.publish([outbox_pack(1, 3), click_pack(envelope())])
    await eventually(lambda: bronze_exists(lake_uri))
    await asyncio.sleep(0.5)
    assert len(access.read(EVENTS, lake_uri=lake_uri)) == 0
    away = True
    await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 4)
    await bus.publish([outbox_pack(4, 4)])
    away = False
    await asyncio.sleep(0.5)
    writer.stop()
    await asyncio.wait_for(running, 20)
    assert positions(lake_uri) == [1, 2, 3, 4]


def bronze_exists(lake_uri: str) -> bool:
    return access.open_table(EVENTS, lake_uri) is not None


async def test_entries_that_bronze_has_are_let_go_after_a_while(bus: Bus, lake_uri: str, monkeypatch) -> None:
    monkeypatch.setattr(lake_writer, "TRIM_SECONDS", 0.05)
    monkeypatch.setattr(lake_writer, "KEEP_SECONDS", -60)
    await bus.publish([outbox_pack(number, number) for number in range(1, 6)])
    await bus.publish([click_pack(envelope()) for _ in range(5)])

    async def on_the_bus() -> list[tuple[str, int | None]]:
        entries = await bus.read({(COMMERCE, 0): 0, (CLICKS, 0): 0}, limit=100, wait_ms=10)
        return [(entry.stream, entry.first_position) for entry in entries]

    async def is_trimmed() -> bool:
        return sorted(await on_the_bus()) == [(CLICKS, None), (COMMERCE, 5)]  # the newest always stays

    assert len(await on_the_bus()) == 10
    async with writing(bus, lake_uri):
        await eventually(is_trimmed)
    assert len(access.read(EVENTS, lake_uri=lake_uri)) == 10


async def test_only_one_writer_works_and_another_takes_over(bus: Bus, bus_address: str, lake_uri: str) -> None:
    other_bus = connect(bus_address)
    async with writing(other_bus, lake_uri):
        async with writing(bus, lake_uri):
            await bus.publish([outbox_pack(1, 50), click_pack(*[envelope() for _ in range(50)])])
            await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 100)
        await bus.publish([outbox_pack(51, 60)])
        await eventually(lambda: len(positions(lake_uri)) == 60)
    await other_bus.close()
    assert positions(lake_uri) == list(range(1, 61))


async def test_a_bus_that_lost_everything_is_read_from_its_beginning(bus: Bus, bus_address: str, lake_uri: str) -> None:
    async with writing(bus, lake_uri):
        await bus.publish([click_pack(envelope()), outbox_pack(1, 2)])
        await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 3)
        async with Redis.from_url(bus_address) as redis:
            await redis.flushdb()
        await bus.publish([click_pack(envelope()), outbox_pack(1, 2), outbox_pack(3, 3)])
        await eventually(lambda: len(access.read(EVENTS, lake_uri=lake_uri)) == 5)
    assert positions(lake_uri) == [1, 2, 3]
    assert len(events(lake_uri, CLICKS)) == 2


def rows_for(position: int) -> pa.Table:
    return to_rows([Lines(COMMERCE, 0, position, [envelope()])])[0]


def test_a_writer_that_was_overtaken_commits_nothing(lake_uri: str) -> None:
    place = (COMMERCE, 0)
    one, other = (BronzeTable.load(lake_uri, "g", [place]) for _ in range(2))
    one.commit(rows_for(1), {place: 1})
    with pytest.raises(Overtaken):
        other.commit(rows_for(1), {place: 1})
    assert positions(lake_uri) == [1]
    reloaded = BronzeTable.load(lake_uri, "g", [place])
    assert reloaded.committed == {place: 1}
    reloaded.commit(rows_for(2), {place: 2})
    assert positions(lake_uri) == [1, 2]


def test_delta_refuses_a_handle_that_was_overtaken_between_check_and_commit(lake_uri: str, monkeypatch) -> None:
    place = (COMMERCE, 0)
    slow, quick = (BronzeTable.load(lake_uri, "g", [place]) for _ in range(2))
    real_version = BronzeTable._version

    def overtaken_meanwhile(self: BronzeTable, asked: tuple[str, int]) -> int:
        version = real_version(self, asked)
        if self is slow:
            monkeypatch.undo()
            quick.commit(rows_for(1), {place: 1})
        return version

    monkeypatch.setattr(BronzeTable, "_version", overtaken_meanwhile)
    with pytest.raises(Overtaken):
        slow.commit(rows_for(1), {place: 1})
    assert positions(lake_uri) == [1]


def test_compaction_does_not_get_in_the_way(lake_uri: str) -> None:
    place = (COMMERCE, 0)
    table = BronzeTable.load(lake_uri, "g", [place])
    for position in (1, 2, 3):
        table.commit(rows_for(position), {place: position})
    DeltaTable(bronze.events_uri(lake_uri)).optimize.compact()
    table.commit(rows_for(4), {place: 4})
    assert positions(lake_uri) == [1, 2, 3, 4]
    assert BronzeTable.load(lake_uri, "g", [place]).committed == {place: 4}
