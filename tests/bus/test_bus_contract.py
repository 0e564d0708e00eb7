"""What every implementation of the bus must do. Another implementation joins by a name in the ``bus`` fixture."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
import pytest_asyncio

from lakefront.bus import CLICKS, COMMERCE, PACK_LIMIT, Bus, BusError, Entry, Pack, connect


def _redis_number() -> int:
    """A Redis database of these tests' own, since they count and empty what is in it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return 8 + int(worker.removeprefix("gw")) % 7


@pytest_asyncio.fixture(params=["redis"])
async def bus(request: pytest.FixtureRequest, servers) -> AsyncIterator[Bus]:
    if request.param == "redis":
        from redis.asyncio import Redis

        url = servers.bus_url(_redis_number())
        async with Redis.from_url(url) as redis:
            await redis.flushdb()
        opened = connect(url)
    yield opened
    await opened.close()


def pack(partition: int, *names: str, stream: str = CLICKS, first: int | None = None) -> Pack:
    payload = "\n".join(f'{{"event_id":"{name}"}}' for name in names).encode()
    last = None if first is None else first + len(names) - 1
    return Pack(stream, partition, payload, len(names), first, last)


async def read_all(bus: Bus, stream: str, partition: int, after: int = 0) -> list[Entry]:
    found: list[Entry] = []
    while entries := await bus.read({(stream, partition): after}, limit=10, wait_ms=20):
        found += entries
        after = entries[-1].offset
    return found


async def test_packs_come_back_whole_and_in_order(bus: Bus) -> None:
    packs = [pack(1, f"{number}-a", f"{number}-b") for number in range(40)]
    offsets = await bus.publish(packs)
    entries = await read_all(bus, CLICKS, 1)
    assert [entry.offset for entry in entries] == offsets
    assert [entry.payload for entry in entries] == [sent.payload for sent in packs]
    assert {entry.count for entry in entries} == {2}


async def test_offsets_grow_and_leave_room_for_the_place_in_the_pack(bus: Bus) -> None:
    offsets = await bus.publish([pack(0, "a") for _ in range(500)])
    assert all(later - earlier >= 128 for earlier, later in pairwise(offsets))
    assert all(0 < offset < 2**63 and offset % 128 == 0 for offset in offsets)


async def test_reading_goes_on_behind_an_offset_also_one_inside_a_pack(bus: Bus) -> None:
    first, second = await bus.publish([pack(0, "a", "b"), pack(0, "c")])
    assert [entry.offset for entry in await read_all(bus, CLICKS, 0, after=first)] == [second]
    assert [entry.offset for entry in await read_all(bus, CLICKS, 0, after=first + 1)] == [second]


async def test_a_read_covers_many_partitions_and_both_streams(bus: Bus) -> None:
    await bus.publish([pack(0, "a"), pack(3, "b"), pack(3, "c", stream=COMMERCE, first=7)])
    places = {(stream, partition): 0 for stream in (COMMERCE, CLICKS) for partition in range(4)}
    entries = await bus.read(places, limit=10, wait_ms=50)
    assert sorted((entry.stream, entry.partition) for entry in entries) == [(CLICKS, 0), (CLICKS, 3), (COMMERCE, 3)]
    assert [entry.first_position for entry in entries if entry.stream == COMMERCE] == [7]


async def test_limit_bounds_the_packs_of_each_partition(bus: Bus) -> None:
    await bus.publish([pack(partition, "a") for partition in (0, 1) for _ in range(9)])
    entries = await bus.read({(CLICKS, 0): 0, (CLICKS, 1): 0}, limit=4, wait_ms=50)
    assert [entry.partition for entry in entries].count(0) == 4
    assert [entry.partition for entry in entries].count(1) == 4


async def test_a_waiting_read_wakes_up_when_something_arrives(bus: Bus) -> None:
    waiting = asyncio.create_task(bus.read({(CLICKS, 0): 0, (CLICKS, 1): 0}, limit=10, wait_ms=5000))
    await asyncio.sleep(0.1)
    started = time.monotonic()
    await bus.publish([pack(1, "a")])
    assert [entry.partition for entry in await waiting] == [1]
    assert time.monotonic() - started < 2


async def test_a_read_gives_up_when_nothing_arrives(bus: Bus) -> None:
    assert await bus.read({(CLICKS, 0): 0}, limit=10, wait_ms=30) == []


async def test_last_position_is_the_newest_packs(bus: Bus) -> None:
    assert await bus.last_position(2) == 0
    await bus.publish([pack(2, "a", "b", stream=COMMERCE, first=1), pack(2, "c", stream=COMMERCE, first=3)])
    assert await bus.last_position(2) == 3
    assert await bus.last_position(1) == 0


async def test_trim_forgets_through_an_offset(bus: Bus) -> None:
    offsets = await bus.publish([pack(0, str(number)) for number in range(5)])
    await bus.trim(CLICKS, 0, offsets[2])
    assert [entry.offset for entry in await read_all(bus, CLICKS, 0)] == offsets[3:]


async def test_trim_keeps_the_newest_entry(bus: Bus) -> None:
    offsets = await bus.publish([pack(0, "a", stream=COMMERCE, first=5), pack(0, "b", stream=COMMERCE, first=6)])
    await bus.trim(COMMERCE, 0, offsets[-1])
    assert [entry.offset for entry in await read_all(bus, COMMERCE, 0)] == offsets[-1:]
    assert await bus.last_position(0) == 6
    await bus.trim(COMMERCE, 1, offsets[-1])  # nothing there: nothing happens


async def test_the_generation_stays(bus: Bus) -> None:
    first = await bus.generation()
    await bus.publish([pack(0, "a")])
    assert first
    assert await bus.generation() == first


async def test_packs_that_break_the_limits_are_refused_and_nothing_is_sent(bus: Bus) -> None:
    for count in (0, PACK_LIMIT + 1):
        with pytest.raises(ValueError, match="pack"):
            await bus.publish([pack(0, "a"), Pack(CLICKS, 0, b"{}", count)])
    assert await read_all(bus, CLICKS, 0) == []


async def test_nothing_to_publish_is_nothing_published(bus: Bus) -> None:
    assert await bus.publish([]) == []


async def test_parking_twice_leaves_one_letter(bus: Bus) -> None:
    for _ in range(2):
        await bus.park(CLICKS, 1, 129, b'{"half', "not JSON", consumer="lake-writer")
    await bus.park(CLICKS, 1, 129, b'{"half', "not JSON", consumer="feature-writer")
    letters = await bus.dead_letters()
    assert [(letter.consumer, letter.offset, letter.reason) for letter in letters] == [
        ("lake-writer", 129, "not JSON"),
        ("feature-writer", 129, "not JSON"),
    ]
    assert letters[0].payload == b'{"half'


async def test_a_replayed_letter_is_for_its_consumer_and_comes_once(bus: Bus) -> None:
    await bus.park(COMMERCE, 1, 7, b'{"a":1}', "no key", consumer="lake-writer")
    letters = await bus.dead_letters()
    assert await bus.replay(letters) == 1
    assert await bus.replay(letters) == 0
    assert await bus.dead_letters() == []
    [entry] = await read_all(bus, CLICKS, 1)
    assert entry.payload == b'{"a":1}'
    assert entry.is_for("lake-writer")
    assert not entry.is_for("feature-writer")


async def test_ordinary_entries_are_for_everyone(bus: Bus) -> None:
    await bus.publish([pack(0, "a")])
    [entry] = await read_all(bus, CLICKS, 0)
    assert entry.is_for("lake-writer")
    assert entry.is_for("feature-writer")


async def test_resend_requests_are_taken_once_and_the_latest_counts(bus: Bus) -> None:
    await bus.request_resend(2, 40)
    await bus.request_resend(2, 30)
    await bus.request_resend(0, 5)
    assert await bus.take_resend_requests() == {2: 30, 0: 5}
    assert await bus.take_resend_requests() == {}


async def test_a_lease_has_one_holder_until_it_ends(bus: Bus) -> None:
    name = uuid.uuid4().hex
    assert await bus.hold_lease(name, "a", 0.2)
    assert await bus.hold_lease(name, "a", 0.2)
    assert not await bus.hold_lease(name, "b", 0.2)
    await bus.release_lease(name, "b")
    assert not await bus.hold_lease(name, "b", 0.2)
    await asyncio.sleep(0.3)
    assert await bus.hold_lease(name, "b", 5)
    await bus.release_lease(name, "b")
    assert await bus.hold_lease(name, "a", 5)


async def test_concurrent_publishers_lose_nothing(bus: Bus) -> None:
    async def publisher(number: int) -> None:
        for turn in range(20):
            await bus.publish([pack(0, f"{number}-{turn}")])

    await asyncio.gather(*(publisher(number) for number in range(10)))
    entries = await read_all(bus, CLICKS, 0)
    assert len({entry.payload for entry in entries}) == len(entries) == 200


async def test_a_bus_that_is_away_is_a_bus_error() -> None:
    from lakefront.runtime import ports

    away = connect(f"redis://127.0.0.1:{ports.any_free()}/0")
    calls: list[Callable[[], object]] = [
        lambda: away.publish([pack(0, "a")]),
        lambda: away.read({(CLICKS, 0): 0}, limit=1, wait_ms=10),
        away.generation,
        lambda: away.park(CLICKS, 0, 1, b"", "reason"),
    ]
    for call in calls:
        with pytest.raises(BusError):
            await call()
    await away.close()


async def test_a_silent_bus_is_given_up_at_the_deadline() -> None:
    from lakefront.bus.redis_streams import RedisStreamsBus

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = RedisStreamsBus(f"redis://127.0.0.1:{port}/0", deadline_seconds=0.2)
    started = time.monotonic()
    with pytest.raises(BusError, match="within"):
        await silent.publish([pack(0, "a")])
    assert time.monotonic() - started < 1.5
    await silent.close()
    server.close()


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        connect("ftp://somewhere")
