"""The relay between a real PostgreSQL, bus and lake: nothing lost, order kept, sent again when the bus lost it."""

from __future__ import annotations

import asyncio
import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import orjson
import psycopg
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from lakefront.bus import COMMERCE, Bus, BusError, Entry, connect
from lakefront.bus.redis_streams import stream_key
from lakefront.contracts import partition_of
from lakefront.settings import Settings
from pipelines.streaming.bronze_table import BronzeTable
from pipelines.streaming.packs import Lines, to_rows
from transactional.platform.database import Connection
from transactional.relay import service, store
from transactional.relay.__main__ import serve
from transactional.relay.bronze import Bronze
from transactional.relay.service import Relay

PARTITIONS = 3
_TELL = "INSERT INTO outbox (partition, envelope) VALUES (%s, %s)"


@dataclass
class House:
    """Addresses of one test's own servers' rooms."""

    database_url: str
    bus_url: str
    lake_uri: str
    bus: Bus

    async def session(self) -> Connection:
        return await psycopg.AsyncConnection.connect(self.database_url, autocommit=True)

    def relay(self, session: Connection) -> Relay:
        return Relay(session, self.bus, Bronze(self.lake_uri), partitions=PARTITIONS, poll_seconds=0.005)

    async def on_the_bus(self) -> list[Entry]:
        return await self.bus.read(
            dict.fromkeys(((COMMERCE, p) for p in range(PARTITIONS)), 0), limit=10_000, wait_ms=20
        )

    async def rows(self, query: str) -> list[tuple]:
        async with await self.session() as session:
            return await (await session.execute(query)).fetchall()

    def commit_to_bronze(self, partition: int, position: int) -> None:
        place = (COMMERCE, partition)
        table = BronzeTable.load(self.lake_uri, "g", [place])
        table.commit(to_rows([Lines(COMMERCE, partition, 0, [])])[0], {place: position})


@pytest_asyncio.fixture
async def house(
    servers, new_database: Callable[..., str], migrated_template: str, lake_uri: str
) -> AsyncIterator[House]:
    """A database, an empty bus and an empty lake of one test's own: a relay takes all that is in an outbox."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    bus_url = servers.bus_url(8 + int(worker.removeprefix("gw")) % 7)
    async with Redis.from_url(bus_url) as redis:
        await redis.flushdb()
    bus = connect(bus_url)
    yield House(new_database(migrated_template), bus_url, lake_uri, bus)
    await bus.close()


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BUS_CHECK_SECONDS", 0.02)
    monkeypatch.setattr(service, "BRONZE_CHECK_SECONDS", 0.02)
    monkeypatch.setattr(service, "LOCK_RETRY_SECONDS", 0.02)


def envelope(key: str, sequence: int) -> str:
    return orjson.dumps({"key": key, "sequence": sequence, "data": {"text": "Größe \n \\n {}"}}).decode()


async def tell(house: House, *rows: tuple[int, str]) -> None:
    async with await house.session() as session, session.cursor() as cursor:
        await cursor.executemany(_TELL, rows)


async def until_idle(relay: Relay) -> None:
    """Work until nothing is left to number, publish or send again."""
    quiet = 0
    await store.ensure_progress(relay._connection, range(PARTITIONS))
    while quiet < 4:
        quiet = 0 if await relay.step() else quiet + 1
        await asyncio.sleep(0.025)


def published(entries: list[Entry]) -> dict[int, list[dict]]:
    """Envelopes by partition, checked against what their packs say of them."""
    found: dict[int, list[dict]] = defaultdict(list)
    for entry in entries:
        lines = [orjson.loads(line) for line in entry.payload.split(b"\n")]
        assert len(lines) == entry.count
        assert [line["position"] for line in lines] == list(
            range(entry.first_position or 0, (entry.first_position or 0) + entry.count)
        )
        assert {line["partition"] for line in lines} == {entry.partition}
        found[entry.partition] += lines
    return found


async def test_rows_leave_in_packs_with_partition_and_position(house: House) -> None:
    await tell(house, *((number % 2, envelope(f"k{number % 2}", number)) for number in range(250)))
    async with await house.session() as session:
        await until_idle(house.relay(session))
    entries = await house.on_the_bus()
    assert sorted((entry.partition, entry.count) for entry in entries) == [(0, 25), (0, 100), (1, 25), (1, 100)]
    for partition, lines in published(entries).items():
        assert [line["position"] for line in lines] == list(range(1, 126))
        assert [line["sequence"] for line in lines] == list(range(partition, 250, 2))
        assert lines[0]["data"] == {"text": "Größe \n \\n {}"}


async def test_an_envelope_that_is_printed_over_several_lines_stays_one_event(house: House) -> None:
    await tell(house, (0, ' \n{\n "key": "a",\n "sequence": 1\n}\n'))
    async with await house.session() as session:
        await until_idle(house.relay(session))
    [line] = published(await house.on_the_bus())[0]
    assert line == {"partition": 0, "position": 1, "key": "a", "sequence": 1}


async def test_concurrent_writers_lose_nothing_and_each_keys_order_holds(house: House) -> None:
    """Transactions that take their row ids early and commit late are what reading by id loses."""
    writers, turns = 12, 25

    async def write(number: int) -> None:
        chance = random.Random(number)
        key = f"key-{number % 5}"
        async with await house.session() as session:
            for _ in range(turns):
                async with session.transaction():
                    cursor = await session.execute(
                        "INSERT INTO test_aggregates VALUES (%s, 1) ON CONFLICT (key)"
                        " DO UPDATE SET version = test_aggregates.version + 1 RETURNING version", [key],
                    )  # fmt: skip
                    [version] = await cursor.fetchone() or [0]
                    await session.execute(_TELL, [partition_of(key, PARTITIONS), envelope(key, version)])
                    await asyncio.sleep(chance.random() * 0.01)

    async with await house.session() as session:
        await session.execute("CREATE TABLE test_aggregates (key text PRIMARY KEY, version int NOT NULL)")
        done = False
        running = asyncio.create_task(house.relay(session).run(lambda: done))
        await asyncio.gather(*(write(number) for number in range(writers)))
        async with asyncio.timeout(20):
            while sum(map(len, published(await house.on_the_bus()).values())) < writers * turns:
                await asyncio.sleep(0.05)
        done = True
        await running
    sequences: dict[str, list[int]] = defaultdict(list)
    for lines in published(await house.on_the_bus()).values():
        assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))
        for line in lines:
            sequences[line["key"]].append(line["sequence"])
    assert sum(map(len, sequences.values())) == writers * turns
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())


async def test_rows_go_when_bronze_has_them_and_not_before(house: House) -> None:
    await tell(house, *((0, envelope("k", number)) for number in range(1, 11)))
    async with await house.session() as session:
        relay = house.relay(session)
        await until_idle(relay)
        assert await house.rows("SELECT count(*) FROM outbox") == [(10,)]
        house.commit_to_bronze(0, 7)
        await until_idle(relay)
    assert await house.rows("SELECT position FROM outbox ORDER BY position") == [(8,), (9,), (10,)]
    assert await house.rows("SELECT committed, published FROM relay_progress WHERE partition = 0") == [(7, 10)]


async def test_a_second_relay_waits_and_takes_over(house: House) -> None:
    await tell(house, (0, envelope("k", 1)))
    first, second = await house.session(), await house.session()
    one, other = house.relay(first), house.relay(second)
    await until_idle(one)
    await tell(house, (0, envelope("k", 2)))
    await until_idle(other)
    assert len(published(await house.on_the_bus())[0]) == 1  # the locks are held: it did nothing
    await first.close()
    await until_idle(other)
    await second.close()
    assert [line["sequence"] for line in published(await house.on_the_bus())[0]] == [1, 2]


async def test_what_a_crash_left_unremembered_is_sent_again_and_nothing_is_skipped(house: House, monkeypatch) -> None:
    await tell(house, *((0, envelope("k", number)) for number in range(1, 6)))
    async with await house.session() as session:

        async def crash(*_: object) -> None:
            raise psycopg.OperationalError("the session ended")

        with monkeypatch.context() as patch, pytest.raises(psycopg.OperationalError):
            patch.setattr(store, "published", crash)
            await until_idle(house.relay(session))
    async with await house.session() as session:
        await until_idle(house.relay(session))
    assert [line["position"] for line in published(await house.on_the_bus())[0]] == [1, 2, 3, 4, 5] * 2


async def test_a_bus_that_lost_everything_gets_what_bronze_has_not(house: House) -> None:
    await tell(house, *((0, envelope("k", number)) for number in range(1, 11)))
    async with await house.session() as session:
        relay = house.relay(session)
        await until_idle(relay)
        house.commit_to_bronze(0, 4)
        await until_idle(relay)
        async with Redis.from_url(house.bus_url) as redis:
            await redis.flushdb()
        await until_idle(relay)
        assert [line["position"] for line in published(await house.on_the_bus())[0]] == [5, 6, 7, 8, 9, 10]
        async with Redis.from_url(house.bus_url) as redis:
            await redis.flushdb()
        await tell(house, (0, envelope("k", 11)))
        await until_idle(relay)
    positions = [line["position"] for line in published(await house.on_the_bus())[0]]
    assert set(positions) == set(range(5, 12))
    assert positions[-7:] == [5, 6, 7, 8, 9, 10, 11]


async def test_a_bus_set_back_to_an_older_state_gets_the_rest_again(house: House) -> None:
    await tell(house, *((0, envelope("k", number)) for number in range(1, 251)))
    async with await house.session() as session:
        relay = house.relay(session)
        await until_idle(relay)
        async with Redis.from_url(house.bus_url) as redis:  # the last two packs are gone
            for entry_id, _ in (await redis.xrange(stream_key(COMMERCE, 0)))[1:]:
                await redis.xdel(stream_key(COMMERCE, 0), entry_id)
        assert await house.bus.last_position(0) == 100
        await until_idle(relay)
    positions = [line["position"] for line in published(await house.on_the_bus())[0]]
    assert positions[100:] == list(range(1, 251))


async def test_the_lake_writers_wish_is_granted(house: House) -> None:
    await tell(house, *((partition, envelope("k", number)) for partition in (0, 1) for number in range(1, 6)))
    async with await house.session() as session:
        relay = house.relay(session)
        await until_idle(relay)
        await house.bus.request_resend(0, 2)
        await until_idle(relay)
    found = published(await house.on_the_bus())
    assert [line["position"] for line in found[0]] == [1, 2, 3, 4, 5, 3, 4, 5]
    assert [line["position"] for line in found[1]] == [1, 2, 3, 4, 5]


async def test_a_database_restored_from_a_backup_gives_no_position_twice(house: House) -> None:
    house.commit_to_bronze(0, 40)
    await tell(house, (0, envelope("k", 1)))
    async with await house.session() as session:
        await until_idle(house.relay(session))
    assert [line["position"] for line in published(await house.on_the_bus())[0]] == [41]


async def test_too_far_ahead_of_bronze_the_rest_waits_in_the_database(house: House, monkeypatch) -> None:
    monkeypatch.setattr(service, "AHEAD_LIMIT", 5)
    monkeypatch.setattr(service, "PUBLISH_LIMIT", 10)
    await tell(house, *((0, envelope("k", number)) for number in range(1, 31)))
    async with await house.session() as session:
        relay = house.relay(session)
        relay._publish_limit = 10
        await until_idle(relay)
        assert await house.bus.last_position(0) == 10
        house.commit_to_bronze(0, 10)
        await until_idle(relay)
    assert await house.bus.last_position(0) == 20


async def test_a_session_that_ends_is_replaced(house: House, store_url: str) -> None:
    chosen = Settings(
        database_url=house.database_url,
        bus_url=house.bus_url,
        store_url=store_url,
        lake_url=house.lake_uri,
        bus_partitions=PARTITIONS,
    )
    stopping = asyncio.Event()
    serving = asyncio.create_task(serve(chosen, stopping))

    async def reaches(position: int) -> None:
        async with asyncio.timeout(20):
            while await house.bus.last_position(0) < position:
                await asyncio.sleep(0.05)

    await tell(house, (0, envelope("k", 1)))
    await reaches(1)
    ended = await house.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'lakefront relay' AND datname = current_database()"
    )
    assert ended == [(True,)]
    await tell(house, (0, envelope("k", 2)))
    await reaches(2)
    stopping.set()
    await asyncio.wait_for(serving, 10)
    assert {line["sequence"] for line in published(await house.on_the_bus())[0]} == {1, 2}


async def test_a_bus_that_is_away_is_waited_for(house: House, monkeypatch) -> None:
    await tell(house, (0, envelope("k", 1)))
    failures = 5
    publish = house.bus.publish

    async def fail_at_first(packs):
        nonlocal failures
        if failures:
            failures -= 1
            raise BusError("away")
        return await publish(packs)

    monkeypatch.setattr(house.bus, "publish", fail_at_first)
    done = False
    async with await house.session() as session:
        running = asyncio.create_task(house.relay(session).run(lambda: done))
        async with asyncio.timeout(20):
            while not await house.bus.last_position(0):
                await asyncio.sleep(0.05)
        done = True
        await running
    assert failures == 0
    assert len(published(await house.on_the_bus())[0]) == 1
