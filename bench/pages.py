"""What `product` and `list` share: one worker of the shop as it runs in production beside the bare route, asked by turns.

Authentication, limiter, metrics and access log are on; the limiter counts every request, with a budget that nobody reaches. The
relay runs, for what is kept is trusted only while it tells what changes.
"""

from __future__ import annotations

import random
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.console import Console

from bench import catalogue, shoppers
from bench.environment import Environment, environment
from bench.load import Outcome, Plan, send
from bench.results import Result, quantile
from lakefront.runtime import ports
from lakefront.secrets import load_secrets

SIZES = (1_000, 100_000)
USERS, CLIENTS, SECONDS, TURNS = 1_000, 16, 5.0, 3
WARM_UP_ROUND_SECONDS, WARM_UP_ROUNDS, LEVEL = 15.0, 40, 0.0025
"""The shop is warm when a round's hit rate is by less than this above that of the round before: pages live for an hour, so that
a shop in business has nearly all that it has room for."""
PARTS = ("api", "postgres", "store")
"""What an answer of the shop costs; the bare route has nothing but itself."""
_SETTINGS = {"LAKEFRONT_SIMULATION": "false", "LAKEFRONT_RATE_LIMIT_PER_MINUTE": "10000000"}
Paths = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Turn:
    """One measurement of a server."""

    outcome: Outcome
    cpu_ms: float


@contextmanager
def shop(products: int, console: Console) -> Iterator[tuple[Environment, str, str, list[str]]]:
    """The shop with so many products, and the bare routes: the addresses of both, and the products' ids."""
    with environment() as servers:
        key = load_secrets(servers.home).internal_key
        port, bare_port = ports.any_free(), ports.any_free()
        url, bare_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{bare_port}"
        servers.start(
            "api", ["-m", "transactional.serve"], LAKEFRONT_API_PORT=str(port), LAKEFRONT_API_WORKERS="1", **_SETTINGS
        )
        servers.start("relay", ["-m", "transactional.relay"])
        servers.start("bare", ["-m", "bench.bare"], BENCH_PORT=str(bare_port))
        servers.wait_for(f"{url}/health/live")
        servers.wait_for(f"{bare_url}/products/x")
        console.print(f"filling {products:,} products")
        ids = await_(catalogue.fill(url, key, min(products, 1_000), 100))
        if products > len(ids):
            ids = catalogue.multiply(servers.database_url, products)
        yield servers, url, bare_url, ids


def await_(coroutine: Any) -> Any:
    """The outcome of a coroutine, in a loop of its own."""
    import asyncio

    return asyncio.run(coroutine)


def measure(name: str, paths: Paths, bare_paths: Paths, console: Console, sizes: Sequence[int]) -> Result:
    """Pages a second and CPU time for a page, beside the bare route, by turns; latencies and the hit rate of the shop."""
    result = Result(name)
    for size in sizes:
        with shop(size, console) as (servers, url, bare_url, ids):
            plan = _plan(url, paths(ids), shoppers.tokens(servers, USERS))
            bare_plan = _plan(bare_url, bare_paths(ids), [])
            console.print("warming up")
            seconds = _warm_up(url, plan)
            result.add(f"warm-up, {size:,} products", seconds, "s")
            await_(send(_lasting(bare_plan, 2.0)))
            hits, misses = _hits_and_misses(url)
            turns: dict[str, list[Turn]] = {"bare": [], "api": []}
            for turn in range(TURNS):
                console.print(f"turn {turn + 1} of {TURNS}")
                turns["bare"].append(_turn(servers, ("bare",), _lasting(bare_plan, SECONDS)))
                turns["api"].append(_turn(servers, PARTS, _lasting(plan, SECONDS, seed=turn)))
            hits, misses = (now - before for now, before in zip(_hits_and_misses(url), (hits, misses), strict=True))
            _report(result, size, turns, hits / (hits + misses))
    return result


def _plan(url: str, paths: Sequence[str], tokens: Sequence[str]) -> Plan:
    """Requests of the paths by Zipf's law, each as one of the users."""
    who = random.Random(7)
    requests: list[dict[str, Any]] = [
        {"path": path, "headers": {"Authorization": f"Bearer {who.choice(tokens)}"} if tokens else {}} for path in paths
    ]
    return Plan(url, requests, CLIENTS, SECONDS, warm_up_seconds=0.0, weights=catalogue.zipf_weights(len(requests)))


def _lasting(plan: Plan, seconds: float, seed: int = 99) -> Plan:
    return Plan(**{**plan.__dict__, "seconds": seconds, "seed": seed})


def _warm_up(url: str, plan: Plan) -> float:
    """Ask until the hit rate is level; the seconds that it took."""
    last = 0.0
    for round_ in range(1, WARM_UP_ROUNDS + 1):
        before = _hits_and_misses(url)
        await_(send(_lasting(plan, WARM_UP_ROUND_SECONDS, seed=100 + round_)))
        hits, misses = (now - then for now, then in zip(_hits_and_misses(url), before, strict=True))
        rate = hits / (hits + misses)
        if rate - last < LEVEL:
            break
        last = rate
    return round_ * WARM_UP_ROUND_SECONDS


def _turn(servers: Environment, processes: Sequence[str], plan: Plan) -> Turn:
    before = servers.cpu_seconds(*processes)
    outcome = await_(send(plan))
    used = servers.cpu_seconds(*processes) - before
    return Turn(outcome, used * 1000 / sum(outcome.statuses.values()))


def _hits_and_misses(url: str) -> tuple[float, float]:
    with urllib.request.urlopen(f"{url}/metrics") as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    return tuple(
        sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"lakefront_rendered_cache_{what}_total")
        )
        for what in ("hits", "misses")
    )  # type: ignore[return-value]


def _report(result: Result, size: int, turns: dict[str, list[Turn]], hit_rate: float) -> None:
    def middle(process: str, figure: Callable[[Turn], float]) -> float:
        return median(figure(turn) for turn in turns[process])

    of = f"{size:,} products"
    result.add(f"per s, {of}", middle("api", lambda t: t.outcome.rate), "1/s", middle("bare", lambda t: t.outcome.rate))
    result.add(
        f"per CPU-s, {of}",
        1000 / middle("api", lambda t: t.cpu_ms),
        "1/cpu-s",
        1000 / middle("bare", lambda t: t.cpu_ms),
    )
    result.add(f"CPU-ms of one, {of}", middle("api", lambda t: t.cpu_ms), "ms", middle("bare", lambda t: t.cpu_ms))
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        ms = [latency for turn in turns["api"] for latency in turn.outcome.latencies_ms]
        result.add(f"latency {name}, {of}", quantile(ms, share), "ms")
    result.add(f"hit rate, {of}", hit_rate, "share")
    statuses = [turn.outcome.statuses for turn in turns["api"]]
    refused = sum(count for each in statuses for status, count in each.items() if int(status) >= 400)
    result.add(f"refused, {of}", refused, "answers")
