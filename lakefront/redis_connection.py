"""One connection to Redis that all requests of a worker share, for reading hashes: commands go out as they come, answers
come back in their order.

The general client spends more CPU on a pipeline than all else in a decision together. Here nothing is retried, a request
that gave up leaves its answer to be thrown away, and a connection that answers nothing is dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import hiredis
from redis.asyncio.connection import parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

Answer = list[Any]


class _Waiting:
    """A request: how many answers it still misses."""

    __slots__ = ("answers", "done", "missing")

    def __init__(self, missing: int, done: asyncio.Future[Answer]) -> None:
        self.missing = missing
        self.answers: Answer = []
        self.done = done


class _Protocol(asyncio.Protocol):
    """Hands answers to the requests in the order in which these were sent."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(replyError=ResponseError, protocolError=RedisConnectionError)
        self._waiting: deque[_Waiting] = deque()
        self._transport: asyncio.Transport | None = None
        self.received = 0
        """Bytes that ever came, to tell a slow connection from a dead one."""

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports, which the storefront runs on, are no asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False:
                self._take(answer)
        except RedisConnectionError:
            self.abort()

    def _take(self, answer: Any) -> None:
        request = self._waiting[0]
        request.answers.append(answer)
        request.missing -= 1
        if request.missing == 0:
            self._waiting.popleft()
            if not request.done.done():
                request.done.set_result(request.answers)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        while self._waiting:
            done = self._waiting.popleft().done
            if not done.done():
                done.set_exception(RedisConnectionError(f"the connection was lost: {error or 'closed'}"))

    def send(self, commands: bytes, count: int) -> asyncio.Future[Answer]:
        """Send packed commands; the future has their answers."""
        if self._transport is None:
            raise RedisConnectionError("the connection is closed")
        request = _Waiting(count, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._transport.write(commands)
        return request.done

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class RedisConnection:
    """Connects when first used and again after a loss. Raises RedisError and OSError; the caller sets the deadline."""

    def __init__(self, url: str) -> None:
        self._options: dict[str, Any] = dict(parse_url(url))
        self._protocol: _Protocol | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, commands: Sequence[tuple[Any, ...]]) -> Answer:
        """The answers of some commands, in one round trip. Raises what Redis answered where it is an error."""
        protocol = self._protocol
        if protocol is None or not protocol.is_open:
            protocol = await self._connect()
        received = protocol.received
        packed = b"".join(map(hiredis.pack_command, commands))
        try:
            answers = await protocol.send(packed, len(commands))
        except asyncio.CancelledError:
            if protocol.received == received:  # not a sound since: do not trust this connection with another request
                protocol.abort()
            raise
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    async def _connect(self) -> _Protocol:
        async with self._connecting:
            if self._protocol is not None and self._protocol.is_open:
                return self._protocol
            loop = asyncio.get_running_loop()
            options = self._options
            if "path" in options:
                _, protocol = await loop.create_unix_connection(_Protocol, options["path"])
            else:
                secure = ssl.create_default_context() if "SSL" in str(options.get("connection_class", "")) else None
                _, protocol = await loop.create_connection(
                    _Protocol, options.get("host", "localhost"), options.get("port", 6379), ssl=secure
                )
            try:
                await self._greet(protocol)
            except BaseException:
                protocol.abort()
                raise
            self._protocol = protocol
            return protocol

    async def _greet(self, protocol: _Protocol) -> None:
        """Log in and choose the database."""
        options = self._options
        wanted: list[tuple[Any, ...]] = []
        if options.get("password"):
            user = [options["username"]] if options.get("username") else []
            wanted.append(("AUTH", *user, options["password"]))
        if options.get("db"):
            wanted.append(("SELECT", str(options["db"])))
        if wanted:
            for answer in await protocol.send(b"".join(map(hiredis.pack_command, wanted)), len(wanted)):
                if isinstance(answer, RedisError):
                    raise answer

    async def close(self) -> None:
        if self._protocol is not None:
            self._protocol.abort()
            self._protocol = None


class Script:
    """A Lua script, asked for by its hash: its text is sent only to a Redis that does not know it yet."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()  # as EVALSHA names scripts

    async def run(self, connection: RedisConnection, *calls: tuple[Any, ...]) -> Answer:
        """The answer of each call (number of keys, keys, arguments), in one round trip. Raises as ``ask`` does."""
        try:
            return await connection.ask([("EVALSHA", self._hash, *call) for call in calls])
        except ResponseError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await connection.ask([("EVAL", self._text, *call) for call in calls])
