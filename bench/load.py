"""The load generator: closed-loop clients over aiohttp in a process of its own, so that its CPU time is told apart.

A benchmark hands it a JSON plan on standard input (requests to draw from, clients, seconds) and reads the outcome from its
standard output. Only addresses on the loopback are accepted.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp

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


async def _client(
    session: aiohttp.ClientSession, draws: Any, begin: float, end: float, outcome: Outcome, unique_header: str | None
) -> None:
    statuses: Counter[str] = Counter()
    for request in draws:
        started = time.perf_counter()
        if started >= end:
            break
        headers = request.get("headers")
        if unique_header is not None:
            headers = {**(headers or {}), unique_header: str(uuid4())}
        async with session.request(
            request.get("method", "GET"), request["path"], headers=headers, data=request.get("body")
        ) as answer:
            await answer.read()
        done = time.perf_counter()
        if started >= begin:
            statuses[str(answer.status)] += 1
            outcome.latencies_ms.append((done - started) * 1000)
    for status, count in statuses.items():
        outcome.statuses[status] = outcome.statuses.get(status, 0) + count


async def run(plan: Plan) -> Outcome:
    """Send the plan's requests. Raises ValueError for an address that is not on the loopback."""
    if urlsplit(plan.base_url).hostname not in LOOPBACK:
        raise ValueError(f"load goes to this machine only, not to {plan.base_url}")
    outcome = Outcome()
    queue = iter(plan.requests)

    def draws(client: int) -> Any:
        if plan.in_order:
            return queue
        randomness = random.Random(plan.seed * 1000 + client)
        chosen = randomness.choices(plan.requests, plan.weights, k=20_000)
        return (chosen[place % len(chosen)] for place in range(10**9))

    connector = aiohttp.TCPConnector(limit=plan.clients)
    async with aiohttp.ClientSession(plan.base_url, connector=connector) as session:
        begin = time.perf_counter() + plan.warm_up_seconds
        end = begin + plan.seconds
        cpu_before = time.process_time()
        clients = [
            _client(session, draws(number), begin, end, outcome, plan.unique_header) for number in range(plan.clients)
        ]
        await asyncio.gather(*clients)
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
    print(json.dumps(asdict(asyncio.run(run(Plan(**json.load(sys.stdin)))))))
