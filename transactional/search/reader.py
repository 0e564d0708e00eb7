"""A worker's eye on the index: follows commits and generations, and asks in a small thread pool, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from tantivy import Index

from transactional.search.analysis import Synonyms, register
from transactional.search.finding import Snapshot
from transactional.search.index import IndexBroken, IndexFolder, engine_errors

THREADS = 2
LOOK_SECONDS = 0.5
Result = TypeVar("Result")
log = structlog.get_logger(__name__)


class NoIndex(RuntimeError):
    """There is no index to read yet."""


class SearchReader:
    """The index as this worker sees it, never older than ``LOOK_SECONDS`` behind the writer's last commit."""

    def __init__(self, folder: IndexFolder, synonyms: Synonyms) -> None:
        self._folder = folder
        self._synonyms = synonyms
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="search")
        self._snapshot: Snapshot | None = None
        self._seen: tuple[str, int, int] | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, then follow in the background."""
        await self.look()
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop following; questions under way end first."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def snapshot(self) -> Snapshot:
        """The index as last seen. Raises NoIndex."""
        if self._snapshot is None:
            raise NoIndex
        return self._snapshot

    async def ask(self, question: Callable[[], Result]) -> Result:
        """The answer to a question about a snapshot, from a thread. Raises NoIndex where its files turn out to be damaged."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _asked, question)
        except (IndexBroken, OSError) as error:
            log.error("search_index_broken", error=str(error))
            self._snapshot, self._seen = None, None  # look again: it may have been built anew
            raise NoIndex from error

    async def look(self) -> None:
        """See what has been committed since, or is in force now. What cannot be read leaves the last state in place."""
        try:
            await asyncio.to_thread(self._look)
        except (OSError, IndexBroken) as error:
            log.warning("search_index_not_read", error=str(error))

    def _look(self) -> None:
        name = self._folder.current()
        if name is None:
            self._snapshot, self._seen = None, None
            return
        meta = (self._folder.path(name) / "meta.json").stat()
        seen = (name, meta.st_mtime_ns, meta.st_ino)  # each commit puts another file in its place
        if seen == self._seen:
            return
        with engine_errors():
            if self._snapshot is not None and self._snapshot.generation == name:
                index = self._snapshot.index
            else:
                index = register(Index.open(str(self._folder.path(name))))
                index.config_reader("manual")
            index.reload()
            self._snapshot = Snapshot(name, index, index.searcher(), self._synonyms)
        self._seen = seen

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()


def _asked(question: Callable[[], Result]) -> Result:
    with engine_errors():
        return question()
