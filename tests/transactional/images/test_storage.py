"""Storage of images: a folder whose files are there whole or not at all, and an object store by the same three calls."""

from __future__ import annotations

import asyncio
import io
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import pytest

from transactional.images.storage import ImageStorage

NAME = "a" * 64 + ".webp"


class ObjectStore(BaseHTTPRequestHandler):
    """What S3's protocol asks of a server for single objects, so that the real client has somebody to talk to."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def do_PUT(self) -> None:
        body = self._body()
        self.objects[self.path.partition("?")[0]] = body
        self._answer(200, headers={"ETag": '"1"'})

    def do_HEAD(self) -> None:
        found = self.objects.get(self.path)
        self._answer(404 if found is None else 200, b"" if found is None else found)

    def do_GET(self) -> None:
        if "list-type" in self.path or self.path.count("/") < 2:
            self._answer(200, b'<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>')
            return
        found = self.objects.get(self.path)
        if found is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None:
            self._answer(200, found)
            return
        first, last = int(wanted[1]), min(int(wanted[2]), len(found) - 1)
        self._answer(206, found[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(found)}"})

    def do_DELETE(self) -> None:
        self.objects.pop(self.path, None)
        self._answer(204)

    def log_message(self, format: str, *args: object) -> None:
        return

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length")
        body = _unchunked(self.rfile) if length is None else self.rfile.read(int(length))
        # the client signs and sums what it sends, in chunks of its own
        return _unchunked(io.BytesIO(body)) if "aws-chunked" in self.headers.get("Content-Encoding", "") else body

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _unchunked(stream: BinaryIO) -> bytes:
    body = b""
    while size := int(stream.readline().partition(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    while stream.readline().strip():  # trailers
        pass
    return body


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The URL of a bucket, and what lies in its server."""
    objects: dict[str, bytes] = {}
    handler = type("Handler", (ObjectStore,), {"objects": objects})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    address = f"127.0.0.1:{server.server_address[1]}"
    yield f"s3://shop/images?endpoint_override={address}&scheme=http&region=eu-north-1", objects
    server.shutdown()
    serving.join()


async def keeps_and_lets_go(storage: ImageStorage) -> None:
    with pytest.raises(FileNotFoundError):
        await storage.get(NAME)
    await storage.put(NAME, b"first")
    await storage.put(NAME, b"first")
    assert await storage.get(NAME) == b"first"
    await storage.remove([NAME, "b" * 64])
    with pytest.raises(FileNotFoundError):
        await storage.get(NAME)


async def test_a_folder_keeps_files_and_lets_go_of_them(tmp_path: Path) -> None:
    await keeps_and_lets_go(ImageStorage(str(tmp_path / "images")))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_an_object_store_keeps_files_and_lets_go_of_them(object_store: tuple[str, dict[str, bytes]]) -> None:
    url, objects = object_store
    storage = ImageStorage(url)
    await storage.put("c" * 64, b"kept")
    assert objects[f"/shop/images/cc/{'c' * 64}"] == b"kept"
    await keeps_and_lets_go(storage)
    assert await storage.get("c" * 64) == b"kept"


async def test_who_reads_while_a_file_is_written_sees_it_whole_or_not_at_all(tmp_path: Path) -> None:
    storage, body = ImageStorage(str(tmp_path)), b"x" * 3_000_000
    writing = asyncio.gather(*(storage.put(NAME, body) for _ in range(8)))
    sizes = set()
    while not writing.done():
        try:
            sizes.add(len(await storage.get(NAME)))
        except FileNotFoundError:
            sizes.add(0)
    await writing
    assert sizes <= {0, len(body)}
    assert await storage.get(NAME) == body
