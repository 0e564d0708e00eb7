"""Where the files of images are: a folder, or an object store by its URI (s3://bucket/prefix), through fsspec.

S3 is spoken by the client that pyarrow has: ``s3://bucket/prefix?endpoint_override=…&scheme=http&region=…``, with credentials
from the environment. A file is there whole or not at all.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4


class ImageStorage:
    """Files by name. Nothing is ever written under a name but what the name stands for."""

    def __init__(self, url: str) -> None:
        self._files, root = _open(url)
        self._root = root.rstrip("/")
        self._is_local = "file" in _protocols(self._files)

    async def put(self, name: str, body: bytes) -> None:
        """Keep a file; again does no harm."""
        await asyncio.to_thread(self._put, self._path(name), body)

    async def get(self, name: str) -> bytes:
        """A file. Raises FileNotFoundError."""
        found: bytes = await asyncio.to_thread(self._files.cat_file, self._path(name))
        return found

    async def remove(self, names: Iterable[str]) -> None:
        """Let go of files; those that are gone already, too."""
        for name in names:
            await asyncio.to_thread(self._remove, self._path(name))

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
    from pyarrow.fs import FileSystem

    # by one request a file, not by three as for one whose end is not known
    arrow, root = FileSystem.from_uri(f"{url}{'&' if '?' in url else '?'}allow_delayed_open=true")
    return ArrowFSWrapper(arrow), str(root)


def _protocols(files: Any) -> tuple[str, ...]:
    named = files.protocol
    return (named,) if isinstance(named, str) else tuple(named)


@lru_cache(maxsize=8)
def storage_at(url: str) -> ImageStorage:
    """The storage of an address, opened once a process."""
    return ImageStorage(url)
