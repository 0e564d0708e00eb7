"""The load generator: closed-loop clients in a process of its own, so that its CPU time is told apart.

A benchmark hands it a JSON plan on standard input (requests to draw from, clients, seconds) and reads the outcome from its
standard output. Only addresses on the loopback are accepted.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import httptools
import uvloop

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass
class Plan:
    """What to send: ``requests`` are drawn at random with ``weights``; each client waits for its answer."""

    base_url: str
    requests: list[dict[str, Any]]
    clients: int
    seconds: float
    warm_up_seconds: float = 1.0
    weights: list[float] | None = None
    seed: int = 7
    in_order: bool = False
    """Send each request once, in order, shared among the clients, instead of drawing."""
    unique_header: str | None = None
    """A header that gets a new UUID with each request, such as Idempotency-Key."""


@dataclass
class Outcome:
    """What came back after the warm-up. Latencies in milliseconds."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers with a status below 400, a second."""
        return sum(count for status, count in self.statuses.items() if int(status) < 400) / self.seconds


class _Client(asyncio.Protocol):
    """One connection that sends a request as soon as the last one is answered. The machine is shared with what is
    measured, so that this does no more than it must."""

    def __init__(self, draws: Iterator[bytes], begin: float, end: float, outcome: Outcome) -> None:
        self._draws = draws
        self._begin, self._end = begin, end
        self._outcome = outcome
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._started = time.perf_counter()
        request = next(self._draws, None) if self._started < self._end else None
        if self._transport is None or request is None:
            self.done.set_result(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def on_message_complete(self) -> None:
        """The parser has read an answer."""
        if self._started >= self._begin:
            status = str(self._parser.get_status_code())
            self._outcome.statuses[status] = self._outcome.statuses.get(status, 0) + 1
            self._outcome.latencies_ms.append((time.perf_counter() - self._started) * 1000)
        self._parser = httptools.HttpResponseParser(self)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._fail(error or ConnectionError("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def _same(client: _Client) -> _Client:
    return client


def _encoded(request: dict[str, Any], host: str, unique_header: str | None) -> bytes:
    body = (request.get("body") or "").encode()
    headers = {"Host": host, **request.get("headers", {}), "Content-Length": str(len(body))}
    if unique_header is not None:
        headers[unique_header] = str(uuid4())
    lines = [f"{request.get('method', 'GET')} {request['path']} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _drawn(plan: Plan, encoded: list[bytes], client: int) -> Iterator[bytes]:
    randomness = random.Random(plan.seed * 1000 + client)
    while True:
        yield from randomness.choices(encoded, plan.weights, k=20_000)


async def run(plan: Plan) -> Outcome:
    """Send the plan's requests. Raises ValueError for an address that is not on the loopback, and OSError or
    HttpParserError where the server does not answer."""
    address = urlsplit(plan.base_url)
    if address.hostname not in LOOPBACK:
        raise ValueError(f"load goes to this machine only, not to {plan.base_url}")
    outcome = Outcome()
    encoded = [_encoded(request, address.netloc, plan.unique_header) for request in plan.requests]
    in_order = iter(encoded)
    cpu_before = time.process_time()
    begin = time.perf_counter() + plan.warm_up_seconds
    clients = []
    for number in range(plan.clients):
        draws = in_order if plan.in_order else _drawn(plan, encoded, number)
        client = _Client(draws, begin, begin + plan.seconds, outcome)
        await asyncio.get_running_loop().create_connection(partial(_same, client), address.hostname, address.port or 80)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    outcome.seconds = time.perf_counter() - begin
    outcome.cpu_seconds = time.process_time() - cpu_before
    return outcome


async def send(plan: Plan) -> Outcome:
    """Run a plan in a process of its own. Raises RuntimeError with the generator's words when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate(json.dumps(asdict(plan)).encode())
    if process.returncode:
        raise RuntimeError(f"the load generator failed: {errors.decode()[-2000:]}")
    return Outcome(**json.loads(output))


if __name__ == "__main__":
    outcome = json.dumps(asdict(uvloop.run(run(Plan(**json.load(sys.stdin))))))
    # Through a buffer of its own: where PYTHONUNBUFFERED is set, print loses what a pipe does not take at once.
    with open(sys.stdout.fileno(), "wb", closefd=False) as output:
        output.write(outcome.encode())
