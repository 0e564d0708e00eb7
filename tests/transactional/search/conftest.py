"""A shop with a database, a bus and an index of one test's own: the relay and the search writer run when the test says so."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from fastapi import FastAPI
from redis import Redis
from tantivy import Index, Query

from lakefront.bus import Bus
from transactional.platform.core import Core
from transactional.relay.bronze import Bronze
from transactional.relay.service import Relay
from transactional.search import service
from transactional.search.analysis import register
from transactional.search.building import build
from transactional.search.index import IndexFolder
from transactional.search.writer import IndexWriter


@pytest.fixture
def search_folder(tmp_path: Path, settings_with: Any) -> Iterator[Path]:
    """Where the index stands; the application is told of it, too."""
    with settings_with(LAKEFRONT_SEARCH_URL=str(tmp_path / "search")):
        yield tmp_path / "search"


@pytest.fixture
def database_url(
    search_folder: Path, new_database: Callable[..., str], migrated_template: str, settings_with: Any
) -> Iterator[str]:
    """A database of this test's own, since a relay takes all that is in an outbox; after the folder of the index, so
    that no application is made before it is chosen."""
    with settings_with(LAKEFRONT_DATABASE_URL=new_database(migrated_template)) as values:
        yield values["LAKEFRONT_DATABASE_URL"]


@pytest.fixture
def bus_url(servers: Any, settings_with: Any) -> Iterator[str]:
    """An empty bus."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    url = servers.bus_url(8 + int(worker.removeprefix("gw")) % 7)
    with Redis.from_url(url) as redis:
        redis.flushdb()
    with settings_with(LAKEFRONT_BUS_URL=url):
        yield url


@dataclass
class SearchHouse:
    """The shop's core, its relay and its search writer."""

    core: Core
    folder: IndexFolder
    lake_uri: str
    writers: list[IndexWriter] = field(default_factory=list)

    @property
    def bus(self) -> Bus:
        return self.core.bus

    def writer(self) -> IndexWriter:
        """A search writer; not opened yet."""
        made = IndexWriter(self.folder, self.core.db, self.bus, self.core.settings.bus_partitions)
        self.writers.append(made)
        return made

    async def relay(self) -> None:
        """Bring all that is in the outbox to the bus."""
        url = self.core.settings.database_url
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as session:
            partitions = self.core.settings.bus_partitions
            relay = Relay(session, self.bus, Bronze(self.lake_uri), partitions=partitions, poll_seconds=0.01)
            await relay.run(_after_rounds(3))

    async def catch_up(self, writer: IndexWriter) -> None:
        """Everything that was told reaches the index."""
        await self.relay()
        while await writer.read_round(wait_ms=20):
            pass

    def found(self, name: str, value: str) -> list[dict[str, Any]]:
        """Cards of the products that have a term in a field, as a process that opens the index now sees them."""
        import json

        current = self.folder.current()
        assert current is not None, "there is no index"
        index = register(Index.open(str(self.folder.path(current))))
        searcher = index.searcher()
        hits = searcher.search(Query.term_query(index.schema, name, value), 100).hits
        cards = [json.loads(bytes(searcher.doc(address).get_first("card"))) for _, address in hits]
        return sorted(cards, key=lambda card: card.get("title", ""))


def _after_rounds(number: int) -> Callable[[], bool]:
    left = [number]

    def is_over() -> bool:
        left[0] -= 1
        return left[0] < 0

    return is_over


@pytest_asyncio.fixture
async def house(search_folder: Path, app: FastAPI, lake_uri: str) -> AsyncIterator[SearchHouse]:
    made = SearchHouse(app.state.core, IndexFolder(search_folder), lake_uri)
    yield made
    for writer in made.writers:
        await writer.close()


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    service.results.clear()
    service.suggestions.clear()


@pytest.fixture
def index(house):
    """``await index()``: the index is built from what is there, and the worker sees it."""

    async def made() -> str:
        name, _ = await build(house.folder, house.core.db, house.bus, house.core.settings.bus_partitions)
        await service.search_of(house.core).reader.look()
        return name

    return made


@pytest.fixture
def find(client):
    """``await find("kettle", price_max="10")``: the answer's body."""

    async def ask(text: str, **parameters: Any) -> dict[str, Any]:
        answer = await client.get("/api/v1/search", params={"q": text, **parameters})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask
