"""``python -m transactional.relay``: the relay as a process. PostgreSQL, Redis and the lake may come and go."""

from __future__ import annotations

import asyncio
import signal

import psycopg
import structlog

from lakefront import telemetry
from lakefront.bus import Bus, connect
from lakefront.redis_connection import RedisConnection
from lakefront.settings import Settings, settings
from transactional.relay.bronze import Bronze
from transactional.relay.service import Relay
from transactional.relay.telling import Teller

LONGEST_BACK_OFF_SECONDS = 5.0

log = structlog.get_logger("relay")


async def serve(chosen: Settings, stopping: asyncio.Event) -> None:
    """Run sessions until asked to stop; a session ends when PostgreSQL does."""
    bus = connect(chosen.bus_url)
    caches = RedisConnection(chosen.store_url)
    bronze = Bronze(chosen.lake_uri)
    failures = 0
    try:
        while not stopping.is_set():
            try:
                await _session(chosen, bus, bronze, caches, stopping)
                failures = 0
            except (psycopg.Error, OSError) as error:
                failures += 1
                log.warning("waiting for PostgreSQL", failures=failures, error=str(error).strip())
                await _pause(stopping, min(LONGEST_BACK_OFF_SECONDS, 0.1 * 2 ** min(failures, 6)))
    finally:
        await bus.close()
        await caches.close()


async def _session(
    chosen: Settings, bus: Bus, bronze: Bronze, caches: RedisConnection, stopping: asyncio.Event
) -> None:
    connection = await psycopg.AsyncConnection.connect(
        chosen.database_url, autocommit=True, connect_timeout=5, application_name="lakefront relay",
        options="-c statement_timeout=60000", keepalives_idle=5, keepalives_interval=2, keepalives_count=3,
    )  # fmt: skip
    async with connection:
        relay = Relay(
            connection, bus, bronze,
            partitions=chosen.bus_partitions, poll_seconds=chosen.relay_poll_milliseconds / 1000,
            teller=Teller(connection, caches),
        )  # fmt: skip
        await relay.run(stopping.is_set)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return


async def main() -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    log.info("relay started", partitions=settings().bus_partitions)
    await serve(settings(), stopping)
    log.info("relay stopped")


if __name__ == "__main__":
    telemetry.configure("relay")
    asyncio.run(main())
