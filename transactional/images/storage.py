"""Where the files of images are: a folder, or an object store by its URI (s3://bucket/prefix), through fsspec.

S3 is spoken by the client that pyarrow has: ``s3://bucket/prefix?endpoint_override=…&scheme=http&region=…``, with credentials
from the environment. A file is there whole or not at all. A storage that does not answer is told within seconds, and then not
asked for a moment: it has threads of its own, and nothing but images waits for them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import structlog

from lakefront.breaker import CircuitBreaker, CircuitOpen
from transactional.images.errors import StorageAway

Result = TypeVar("Result")
_THREADS = 8
_CONNECT_SECONDS = 1.0
_REQUEST_SECONDS = 3.0
_TRIES = 2
_BREAKER_SECONDS = 5.0
_S3_OPTIONS = {"region", "scheme", "endpoint_override", "force_virtual_addressing"}
log = structlog.get_logger(__name__)


class ImageStorage:
    """Files by name. Nothing is ever written under a name but what the name stands for."""

    def __init__(self, url: str) -> None:
        self._files, root = _open(url)
        self._root = root.rstrip("/")
        self._is_local = "file" in _protocols(self._files)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="images")
        self._breaker = CircuitBreaker("image storage", seconds_open=_BREAKER_SECONDS)

    async def put(self, name: str, body: bytes) -> None:
        """Keep a file; again does no harm. Raises StorageAway."""
        await self._do(lambda: self._put(self._path(name), body))

    async def get(self, name: str) -> bytes:
        """A file. Raises FileNotFoundError, StorageAway."""
        return await self._do(lambda: bytes(self._files.cat_file(self._path(name))))

    async def remove(self, names: Iterable[str]) -> None:
        """Let go of files; those that are gone already, too. Raises StorageAway."""
        for name in names:
            path = self._path(name)
            await self._do(lambda path=path: self._remove(path))  # type: ignore[misc]

    async def _do(self, work: Callable[[], Result]) -> Result:
        try:
            self._breaker.check()
        except CircuitOpen as error:
            raise StorageAway() from error
        try:
            done = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except FileNotFoundError:
            self._breaker.succeeded()
            raise
        except OSError as error:
            self._breaker.failed()
            log.error("image_storage_failed", error=str(error))
            raise StorageAway() from error
        self._breaker.succeeded()
        return done

    def _path(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name}"

    def _put(self, path: str, body: bytes) -> None:
        if not self._is_local:
            self._files.pipe_file(path, body)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{uuid4().hex}")
        with beside.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)

    def _remove(self, path: str) -> None:
        try:
            self._files.rm_file(path)
        except FileNotFoundError:
            return


def _open(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Imported here: a worker that serves no image pays nothing for it."""
    from fsspec.core import url_to_fs

    if not url.startswith("s3://"):
        files, root = url_to_fs(url)
        return files, str(root)
    from fsspec.implementations.arrow import ArrowFSWrapper

    return ArrowFSWrapper(_s3(url)), urlsplit(url).netloc.rpartition("@")[2] + urlsplit(url).path


def _s3(url: str) -> Any:
    """S3 with time-outs: made from a URI by pyarrow itself, its client tries for minutes. Raises ValueError."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    parts = urlsplit(url)
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    if unknown := options.keys() - _S3_OPTIONS:
        raise ValueError(f"an address of S3 takes {sorted(_S3_OPTIONS)}, not {sorted(unknown)}")
    if "force_virtual_addressing" in options:
        options["force_virtual_addressing"] = options["force_virtual_addressing"] == "true"
    if parts.username:
        options |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password or "")}
    return S3FileSystem(
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        allow_delayed_open=True,  # one request a file, not three as for one whose end is not known
        **options,
    )


def _protocols(files: Any) -> tuple[str, ...]:
    named = files.protocol
    return (named,) if isinstance(named, str) else tuple(named)


@lru_cache(maxsize=8)
def storage_at(url: str) -> ImageStorage:
    """The storage of an address, opened once a process."""
    return ImageStorage(url)
