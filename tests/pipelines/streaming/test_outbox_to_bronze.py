"""From the outbox to bronze with real processes, killed again and again: every event once, each key in order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from lakefront.bus import CLICKS, COMMERCE, Pack, connect
from lakefront.clock import iso, real_now
from lakefront.contracts import partition_of
from lakefront.ids import new_id
from lakefront.lake import access
from lakefront.lake.tables import EVENTS

PARTITIONS = 4
RELAY, LAKE_WRITER = "transactional.relay", "pipelines.streaming.lake_writer"


class Process:
    """A process of ours that can be killed and started again."""

    def __init__(self, module: str, environment: dict[str, str], log: Path) -> None:
        self._module, self._environment, self._log = module, environment, log
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", self._module], env=self._environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        assert self._running is not None
        assert self._running.poll() is None, f"{self._module} ended by itself: {self._log.read_text()[-3000:]}"
        self._running.kill()
        self._running.wait()

    def stop(self) -> int:
        assert self._running is not None
        self._running.send_signal(signal.SIGTERM)
        return self._running.wait(30)

    def forget(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.kill()
            self._running.wait()


@pytest.fixture
def rooms(servers, new_database: Callable[..., str], migrated_template: str, lake_uri: str, tmp_path: Path):
    """Environment of the processes: a database, a bus and a lake of this test's own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return {
        **os.environ,
        "LAKEFRONT_HOME": str(tmp_path / "home"),
        "LAKEFRONT_DATABASE_URL": new_database(migrated_template),
        "LAKEFRONT_BUS_URL": servers.bus_url(8 + int(worker.removeprefix("gw")) % 7),
        "LAKEFRONT_LAKE_URL": lake_uri,
        "LAKEFRONT_BUS_PARTITIONS": str(PARTITIONS),
        "LAKEFRONT_LAKE_WRITER_FLUSH_SECONDS": "0.2",
    }


@pytest_asyncio.fixture
async def processes(rooms: dict[str, str], tmp_path: Path) -> AsyncIterator[dict[str, Process]]:
    async with Redis.from_url(rooms["LAKEFRONT_BUS_URL"]) as redis:
        await redis.flushdb()
    made = {module: Process(module, rooms, tmp_path / f"{module}.log") for module in (RELAY, LAKE_WRITER)}
    for process in made.values():
        process.start()
    yield made
    for process in made.values():
        process.forget()


class Trade:
    """Writes outbox rows and clicks, and remembers what it was promised."""

    def __init__(self, rooms: dict[str, str]) -> None:
        self._rooms = rooms
        self.told: dict[str, int] = defaultdict(int)
        self.clicked: list[str] = []
        self.is_over = False

    async def run(self) -> None:
        bus = connect(self._rooms["LAKEFRONT_BUS_URL"])
        database = await psycopg.AsyncConnection.connect(self._rooms["LAKEFRONT_DATABASE_URL"], autocommit=True)
        async with database:
            turn = 0
            while not self.is_over:
                turn += 1
                await self._tell(database, f"key-{turn % 7}", 1 + turn % 5)
                await self._click(bus, turn)
                await asyncio.sleep(0.02)
        await bus.close()

    async def _tell(self, database: psycopg.AsyncConnection, key: str, count: int) -> None:
        async with database.transaction():
            for sequence in range(self.told[key] + 1, self.told[key] + count + 1):
                await database.execute(
                    "INSERT INTO outbox (partition, envelope) VALUES (%s, %s)",
                    [partition_of(key, PARTITIONS), envelope(str(new_id()), key, sequence)],
                )
        self.told[key] += count

    async def _click(self, bus, turn: int) -> None:
        ids = [str(new_id()) for _ in range(3)]
        lines = "\n".join(envelope(event_id, "session", None) for event_id in ids).encode()
        await bus.publish([Pack(CLICKS, turn % PARTITIONS, lines, len(ids))])
        self.clicked += ids


def envelope(event_id: str, key: str, sequence: int | None) -> str:
    now = iso(real_now())
    return json.dumps(
        {
            "event_id": event_id, "event_type": "test.thing.happened.v1", "occurred_at": now, "recorded_at": now,
            "source": "test", "key": key, "sequence": sequence, "data": {}, "metadata": {},
        }
    )  # fmt: skip


def in_bronze(lake_uri: str, *streams: str) -> int:
    found = access.read(EVENTS, ["stream"], lake_uri)["stream"].to_pylist()
    return sum(stream in (streams or (COMMERCE, CLICKS)) for stream in found)


async def grows(lake_uri: str, seconds: float = 60) -> None:
    """Wait until bronze has more of both streams than now."""
    for stream in (COMMERCE, CLICKS):
        before = in_bronze(lake_uri, stream)
        async with asyncio.timeout(seconds):
            while in_bronze(lake_uri, stream) <= before:
                await asyncio.sleep(0.1)


def check(trade: Trade, lake_uri: str) -> None:
    rows = access.read(EVENTS, ["event_id", "key", "sequence", "stream", "partition", "offset"], lake_uri).to_pylist()
    places = [(row["stream"], row["partition"], row["offset"]) for row in rows]
    assert len(places) == len(set(places))
    assert sorted(row["event_id"] for row in rows if row["stream"] == CLICKS) == sorted(trade.clicked)
    commerce = sorted((row for row in rows if row["stream"] == COMMERCE), key=lambda row: row["offset"])
    assert len({row["event_id"] for row in commerce}) == len(commerce)
    sequences: dict[str, list[int]] = defaultdict(list)
    for row in commerce:
        sequences[row["key"]].append(row["sequence"])
    assert sequences == {key: list(range(1, last + 1)) for key, last in trade.told.items()}


@pytest.mark.end_to_end
async def test_kill_9_of_relay_and_lake_writer_loses_and_doubles_nothing(
    rooms: dict[str, str], processes: dict[str, Process], lake_uri: str
) -> None:
    trade = Trade(rooms)
    trading = asyncio.create_task(trade.run())
    try:
        await grows(lake_uri)
        for victim in (RELAY, LAKE_WRITER, RELAY, LAKE_WRITER):
            processes[victim].kill()
            await asyncio.sleep(0.3)  # events gather meanwhile
            processes[victim].start()
            await grows(lake_uri)
    finally:
        trade.is_over = True
        await trading
    expected = sum(trade.told.values()) + len(trade.clicked)
    async with asyncio.timeout(60):
        while in_bronze(lake_uri) < expected:
            await asyncio.sleep(0.2)
    check(trade, lake_uri)

    async with asyncio.timeout(30):  # and the outbox is swept
        while await outbox_rows(rooms):
            await asyncio.sleep(0.2)
    assert [process.stop() for process in processes.values()] == [0, 0]
    check(trade, lake_uri)


@pytest.mark.end_to_end
async def test_a_bus_that_loses_its_data_costs_no_outbox_event(
    rooms: dict[str, str], processes: dict[str, Process], lake_uri: str
) -> None:
    trade = Trade(rooms)
    trading = asyncio.create_task(trade.run())
    try:
        await grows(lake_uri)
        for _ in range(2):
            async with Redis.from_url(rooms["LAKEFRONT_BUS_URL"]) as redis:
                await redis.flushdb()
            await grows(lake_uri)
    finally:
        trade.is_over = True
        await trading

    def commerce() -> list[dict]:
        rows = access.read(EVENTS, ["key", "sequence", "stream", "partition", "offset"], lake_uri).to_pylist()
        return sorted((row for row in rows if row["stream"] == COMMERCE), key=lambda row: row["offset"])

    async with asyncio.timeout(60):
        while len(commerce()) < sum(trade.told.values()):
            await asyncio.sleep(0.2)
    found: dict[str, list[int]] = defaultdict(list)
    for row in commerce():
        found[row["key"]].append(row["sequence"])
    assert found == {key: list(range(1, last + 1)) for key, last in trade.told.items()}


async def outbox_rows(rooms: dict[str, str]) -> int:
    async with await psycopg.AsyncConnection.connect(rooms["LAKEFRONT_DATABASE_URL"]) as database:
        [count] = await (await database.execute("SELECT count(*) FROM outbox")).fetchone() or [0]
        return int(count)
