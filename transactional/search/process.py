"""``python -m transactional.search.process``: the search writer as a process. PostgreSQL and the bus may come and go."""

from __future__ import annotations

import asyncio
import signal

from lakefront.bus import connect
from lakefront.settings import Settings, settings
from lakefront.telemetry import configure, logger
from transactional.platform.database import Database
from transactional.search.index import IndexFolder
from transactional.search.news import CONSUMER
from transactional.search.writer import IndexWriter

log = logger("search_writer")


async def serve(chosen: Settings) -> None:
    """Keep the index up to date until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    bus = connect(chosen.bus_url)
    db = await Database.open(chosen.database_url, 2)
    try:
        folder = IndexFolder(chosen.search_folder)
        await IndexWriter(folder, db, bus, chosen.bus_partitions).run(stopping)
    finally:
        await db.close()
        await bus.close()
    log.info("stopped")


if __name__ == "__main__":
    configure(CONSUMER)
    asyncio.run(serve(settings()))
