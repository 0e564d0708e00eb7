"""Searches among 100,000 products (or so many as are asked for): in the worker, each once with its facets counted anew, beside
the bare engine; then over HTTP as a shop's day is, some asked often and most seldom, by many members.

The bare engine is asked for the same words by its own parser, in the same fields with the same boosts, counts the same facets
and reads the same number of documents; it corrects nothing, has no other passes, synonyms, filters and highlights, and writes
no JSON.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import fmean
from typing import TypeVar
from urllib.parse import urlencode

from rich.console import Console
from tantivy import Index

from bench import catalogue, shop_window
from bench.environment import Environment, environment
from bench.load import Plan, send
from bench.results import Result, quantile
from bench.shop_window import Asked
from lakefront.bus import connect
from lakefront.runtime import ports
from lakefront.secrets import load_secrets
from transactional.platform.database import Database
from transactional.search.analysis import Synonyms, register, words_analyzer
from transactional.search.building import build
from transactional.search.finding import COUNTED, Snapshot
from transactional.search.index import IndexFolder
from transactional.search.queries import BOOSTS
from transactional.search.schemas import SearchRequest
from transactional.search.service import facets_json, filters_of

PRODUCTS, USERS, SECONDS, REQUESTS, IN_PROCESS = 100_000, 200, 10.0, 5_000, 2_000
CLIENTS = (1, 4)
_Asked = TypeVar("_Asked")
SHARES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


async def measure(console: Console, products: int = PRODUCTS) -> Result:
    """Fill the shop, build its index, search in this process and over HTTP."""
    result = Result("search")
    with environment() as servers:
        console.print(f"filling {products:,} products")
        words = shop_window.Words()
        titles = shop_window.fill(servers.database_url, products, words)
        requests = shop_window.asked(titles, words, REQUESTS)
        folder = IndexFolder(servers.home / "search")
        console.print("building the index")
        begun = time.monotonic()
        generation = await _build(servers, folder)
        result.add("products_indexed_per_s", products / (time.monotonic() - begun), "1/s")
        size = sum(path.stat().st_size for path in folder.path(generation).iterdir())
        result.add("index_bytes_per_product", size / products, "bytes")
        console.print("each search once, in this process")
        _in_process(result, folder, generation, requests)
        console.print("by Zipf's law, over HTTP")
        await _over_http(result, servers, requests)
    return result


async def _build(servers: Environment, folder: IndexFolder) -> str:
    bus, db = connect(servers.bus_url), await Database.open(servers.database_url, 2)
    try:
        name, _ = await build(folder, db, bus, 4)
    finally:
        await db.close()
        await bus.close()
    return name


def _in_process(result: Result, folder: IndexFolder, generation: str, requests: list[Asked]) -> None:
    """What a request costs the thread that searches, nothing kept, beside the bare engine."""
    index = register(Index.open(str(folder.path(generation))))
    searcher = index.searcher()
    snapshot = Snapshot(generation, index, searcher, Synonyms.load())
    result.add("index_segments", searcher.num_segments, "segments")
    searches = [one for one in requests if not one.is_prefix][:IN_PROCESS]
    prefixes = [one.text for one in requests if one.is_prefix][:500]
    chosen = [SearchRequest.model_validate({"q": one.text, **_typed(one.parameters)}) for one in searches]

    def whole(asked: SearchRequest) -> None:
        found = snapshot.find(asked.q, filters_of(asked), 0, asked.limit, sort=asked.sort, with_facets=True)
        facets_json(found.facets or {})

    def bare(asked: SearchRequest) -> None:
        words = " ".join(plain.analyze(asked.q))
        query = index.parse_query(words, list(BOOSTS), field_boosts=BOOSTS, conjunction_by_default=True)
        found = searcher.search(query, asked.limit, weight_by_field="weight")
        for _, address in found.hits:
            searcher.doc(address)
        searcher.aggregate(query, COUNTED)

    plain = words_analyzer()
    for asked in chosen[:100]:
        whole(asked)
        bare(asked)
    bare_wall, bare_cpu = _timed(bare, chosen)
    wall, cpu = _timed(whole, chosen)
    for share, name in SHARES:
        result.add(f"worker_latency_{name}", quantile(wall, share), "ms", quantile(bare_wall, share))
    for share, name in SHARES:
        result.add(f"worker_cpu_{name}", quantile(cpu, share), "ms", quantile(bare_cpu, share))
    result.add("worker_cpu_mean", fmean(cpu), "ms", fmean(bare_cpu))
    result.add("worker_searches_per_s", 1000 / fmean(wall), "1/s", 1000 / fmean(bare_wall))
    completions, _ = _timed(lambda text: snapshot.suggest(text, 10), prefixes)
    for share, name in SHARES:
        result.add(f"worker_suggestion_{name}", quantile(completions, share), "ms")


def _typed(parameters: dict[str, str]) -> dict[str, object]:
    return {name: [value] if name in ("attribute", "brand") else value for name, value in parameters.items()}


def _timed(do: Callable[[_Asked], object], asked: list[_Asked]) -> tuple[list[float], list[float]]:
    """Milliseconds of each by the clock and of CPU time, which tells more on a machine that has other work, too."""
    wall: list[float] = []
    cpu: list[float] = []
    for one in asked:
        begun, cpu_begun = time.perf_counter(), time.thread_time()
        do(one)
        wall.append((time.perf_counter() - begun) * 1000)
        cpu.append((time.thread_time() - cpu_begun) * 1000)
    return wall, cpu


async def _over_http(result: Result, servers: Environment, requests: list[Asked]) -> None:
    """One worker, authentication, limiter, metrics and logs on; first one client, which waits for nobody, then four."""
    key = load_secrets(servers.home).internal_key
    port = ports.any_free()
    url = f"http://127.0.0.1:{port}"
    servers.start("search-writer", ["-m", "transactional.search.process"])
    servers.start(
        "api", ["-m", "transactional.serve"], LAKEFRONT_API_PORT=str(port), LAKEFRONT_API_WORKERS="1",
        LAKEFRONT_RATE_LIMIT_PER_MINUTE="100000000",
    )  # fmt: skip
    servers.wait_for(f"{url}/health/live")
    tokens = await catalogue.members(url, key, USERS)
    sent = [
        {"path": _path(one), "headers": {"Authorization": f"Bearer {tokens[place % USERS]}"}}
        for place, one in enumerate(requests)
    ]
    servers.wait_for(f"{url}/api/v1/search?q=x")
    for clients in CLIENTS:
        plan = Plan(url, sent, clients, SECONDS, 2.0, weights=catalogue.zipf_weights(len(sent)), seed=clients)
        before = servers.cpu_seconds("api")
        outcome = await send(plan)
        used = (servers.cpu_seconds("api") - before) * plan.seconds / (plan.seconds + plan.warm_up_seconds)
        suffix = f"{clients}_client" + "s" * (clients > 1)
        result.add(f"searches_per_s_{suffix}", outcome.rate, "1/s")
        result.add(f"cpu_ms_per_search_{suffix}", used * 1000 / max(1, sum(outcome.statuses.values())), "ms")
        for share, name in SHARES:
            result.add(f"latency_{name}_{suffix}", quantile(outcome.latencies_ms, share), "ms")
        refused = sum(count for status, count in outcome.statuses.items() if int(status) >= 400)
        result.add(f"refused_{suffix}", refused, "answers")


def _path(one: Asked) -> str:
    if one.is_prefix:
        return f"/api/v1/search/suggestions?{urlencode({'prefix': one.text})}"
    return f"/api/v1/search?{urlencode({'q': one.text, **one.parameters})}"
