"""Events a second from the bus into bronze by the real lake writer, beside `write_deltalake` of the same tables."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson
import pyarrow as pa
from deltalake import write_deltalake
from rich.console import Console

from bench.environment import environment
from bench.results import Result
from lakefront.bus import CLICKS, Pack, connect
from lakefront.clock import iso, real_now
from lakefront.contracts import partition_of
from lakefront.contracts.storefront import ProductViewed
from lakefront.ids import new_id
from lakefront.lake.access import open_table
from lakefront.lake.tables import EVENTS

EVENT_COUNT, SESSIONS, PACK, PARTITIONS = 200_000, 2_000, 100, 4


async def measure(console: Console) -> Result:
    """200,000 clicks on the bus, the lake writer's process started on them, and the same rows written barely."""
    result = Result("bronze")
    packs = _packs()
    with environment() as servers:
        lake = f"{servers.home}/lake"
        bus = connect(servers.bus_url)
        try:
            started = time.perf_counter()
            for first in range(0, len(packs), 50):
                await bus.publish(packs[first : first + 50])
            published = time.perf_counter() - started
        finally:
            await bus.close()
        console.print(f"{EVENT_COUNT:,} events on the bus; the lake writer starts")
        servers.start("lake-writer", ["-m", "pipelines.streaming.lake_writer"], LAKEFRONT_LAKE_URL=lake)
        begun, done = await _committed(lake, EVENT_COUNT)
        cpu = servers.cpu_seconds("lake-writer")
        handle = open_table(EVENTS, lake)
        if handle is None:
            raise RuntimeError("the lake writer made no table")
        rows = handle.to_pyarrow_table()
        bare = await asyncio.to_thread(_bare, rows, f"{servers.home}/bare")
    # The first commit's rows were read before the clock began, so they do not count.
    seconds, events = done[0] - begun[0], done[1] - begun[1]
    result.add("bus_to_bronze_per_s", events / seconds, "events/s", len(rows) / bare)
    result.add("publish_per_s", EVENT_COUNT / published, "events/s")
    result.add("cpu_us_per_event", cpu * 1e6 / EVENT_COUNT, "µs")
    return result


def _packs() -> list[Pack]:
    """Product views of many sessions, packed by partition as the API does."""
    waiting: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    packs: list[Pack] = []
    sessions = [f"session{number:06}" for number in range(SESSIONS)]
    products = [new_id() for _ in range(500)]
    for number in range(EVENT_COUNT):
        session = sessions[number % SESSIONS]
        data = ProductViewed(session=session, product_id=products[number * 7 % 500], surface="home")
        now = iso(real_now())
        envelope = {
            "event_id": str(new_id()), "event_type": data.event_type, "occurred_at": now, "recorded_at": now,
            "source": "bench", "key": session, "data": data.model_dump(mode="json"),
            "metadata": {"session": session, "correlation_id": str(new_id())},
        }  # fmt: skip
        partition = partition_of(session, PARTITIONS)
        waiting[partition].append(orjson.dumps(envelope))
        if len(waiting[partition]) == PACK:
            packs.append(Pack(CLICKS, partition, b"\n".join(waiting[partition]), PACK))
            waiting[partition] = []
    packs += [
        Pack(CLICKS, partition, b"\n".join(lines), len(lines)) for partition, lines in enumerate(waiting) if lines
    ]
    return packs


async def _committed(lake: str, expected: int) -> tuple[tuple[float, int], tuple[float, int]]:
    """Time and row count of the first commit that is seen and of the one that completes the table."""
    first: tuple[float, int] | None = None
    deadline = time.perf_counter() + 180
    while time.perf_counter() < deadline:
        handle = await asyncio.to_thread(open_table, EVENTS, lake)
        rows = 0 if handle is None else handle.count()
        if rows and first is None:
            first = (time.perf_counter(), rows)
        if first is not None and rows >= expected:
            return first, (time.perf_counter(), rows)
        await asyncio.sleep(0.02)
    raise TimeoutError(f"bronze holds {rows} of {expected} events after three minutes")


def _bare(rows: pa.Table, folder: str) -> float:
    """Seconds that `write_deltalake` takes for the same rows in commits of the lake writer's size."""
    batch = 20_000
    Path(folder).mkdir()
    started = time.perf_counter()
    for first in range(0, len(rows), batch):
        write_deltalake(folder, rows.slice(first, batch), mode="append", partition_by=["recorded_date"])
    return time.perf_counter() - started
