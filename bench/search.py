"""Searches a second and their latency at 100,000 products (or so many as are asked for), with facets, over HTTP and in the
worker, beside the bare engine: the same words asked of the same index, title only, no facets, no cards."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import numpy as np
import psycopg
from rich.console import Console
from tantivy import Index, Searcher

from bench import catalogue
from bench.environment import Environment, environment
from bench.load import Plan, send
from bench.results import Result, quantile
from lakefront.bus import connect
from lakefront.ids import new_id
from lakefront.runtime import ports
from lakefront.secrets import load_secrets
from transactional.platform.database import Database
from transactional.search.analysis import Synonyms, register
from transactional.search.building import build
from transactional.search.finding import Snapshot
from transactional.search.index import IndexFolder
from transactional.search.queries import Filters

PRODUCTS, USERS, CLIENTS, SECONDS, QUERIES = 100_000, 50, 4, 10.0, 2_000
WORDS, BRANDS, LEAVES = 20_000, 500, 12
_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u")]


async def measure(console: Console, products: int = PRODUCTS) -> Result:
    """Fill the shop, build its index, ask each query once in this process, then by Zipf's law over HTTP as 50 members."""
    result = Result("search")
    with environment() as servers:
        console.print(f"filling {products:,} products")
        vocabulary = _vocabulary()
        titles = _fill(servers.database_url, products, vocabulary)
        queries = _queries(titles)
        folder = IndexFolder(servers.home / "search")
        begun = time.monotonic()
        generation = await _build(servers, folder)
        result.add("products_indexed_per_s", products / (time.monotonic() - begun), "1/s")
        size = sum(path.stat().st_size for path in folder.path(generation).iterdir())
        result.add("index_bytes_per_product", size / products, "bytes")
        console.print("each query once, in this process")
        _in_process(result, folder, generation, queries)
        console.print("by Zipf's law, over HTTP")
        await _over_http(result, servers, queries)
    return result


async def _build(servers: Environment, folder: IndexFolder) -> str:
    bus, db = connect(servers.bus_url), await Database.open(servers.database_url, 2)
    try:
        name, _ = await build(folder, db, bus, 4)
    finally:
        await db.close()
        await bus.close()
    return name


def _in_process(result: Result, folder: IndexFolder, generation: str, queries: list[tuple[str, Filters]]) -> None:
    """Latency of what a request costs in the search thread, facets counted anew each time, beside the bare engine."""
    index = register(Index.open(str(folder.path(generation))))
    snapshot = Snapshot(generation, index, index.searcher(), Synonyms.load())
    for text, filters in queries[:100]:
        snapshot.find(text, filters, 0, 20, with_facets=True)

    def whole_search(text: str, filters: Filters) -> object:
        return snapshot.find(text, filters, 0, 20, with_facets=True)

    whole = [_timed(whole_search, text, filters) for text, filters in queries]
    bare = [_timed(_bare, index, snapshot.searcher, text) for text, _ in queries]
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        result.add(f"worker_latency_{name}", quantile(whole, share), "ms", quantile(bare, share))
    result.add("worker_queries_per_s", 1000 * len(whole) / sum(whole), "1/s", 1000 * len(bare) / sum(bare))


def _bare(index: Index, searcher: Searcher, text: str) -> object:
    query = index.parse_query(text, ["title"], conjunction_by_default=True)
    return searcher.search(query, 20)


def _timed(do: Callable[..., object], *arguments: object) -> float:
    begun = time.perf_counter()
    do(*arguments)
    return (time.perf_counter() - begun) * 1000


async def _over_http(result: Result, servers: Environment, queries: list[tuple[str, Filters]]) -> None:
    key = load_secrets(servers.home).internal_key
    port = ports.any_free()
    url = f"http://127.0.0.1:{port}"
    servers.start("search-writer", ["-m", "transactional.search.process"])
    servers.start("api", ["-m", "transactional.serve"], LAKEFRONT_API_PORT=str(port), LAKEFRONT_API_WORKERS="1")
    servers.wait_for(f"{url}/health/live")
    tokens = await catalogue.members(url, key, USERS)
    requests = [
        {
            "path": f"/api/v1/search?{_parameters(text, filters)}",
            "headers": {"Authorization": f"Bearer {tokens[place % USERS]}", "X-Internal-Key": key},
        }
        for place, (text, filters) in enumerate(queries)
    ]
    servers.wait_for(f"{url}{requests[0]['path']}")
    plan = Plan(url, requests, CLIENTS, SECONDS, weights=catalogue.zipf_weights(len(requests)))
    before = servers.cpu_seconds("api")
    outcome = await send(plan)
    used = servers.cpu_seconds("api") - before
    result.add("searches_per_s", outcome.rate, "1/s")
    result.add("cpu_ms_per_search", used * 1000 / max(1, sum(outcome.statuses.values())), "ms")
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        result.add(f"latency_{name}", quantile(outcome.latencies_ms, share), "ms")
    refused = sum(count for status, count in outcome.statuses.items() if int(status) >= 400)
    result.add("refused", refused, "answers")


def _parameters(text: str, filters: Filters) -> str:
    asked = {"q": text, "category": filters.category}
    return urlencode({name: value for name, value in asked.items() if value is not None})


def _vocabulary() -> list[str]:
    randomness = random.Random(5)
    words: dict[str, None] = {}
    while len(words) < WORDS:
        words["".join(randomness.choices(_SYLLABLES, k=randomness.randint(2, 4)))] = None
    return list(words)


def _queries(titles: list[str]) -> list[tuple[str, Filters]]:
    """One to three words of a title; a tenth with a letter left out, a fifth within a department."""
    randomness = random.Random(11)
    made: list[tuple[str, Filters]] = []
    for number in range(QUERIES):
        words = randomness.choice(titles).split()[: randomness.randint(1, 3)]
        if number % 10 == 3:
            words[-1] = words[-1][:2] + words[-1][3:]
        category = f"department{randomness.randint(0, 4)}" if number % 5 == 1 else None
        made.append((" ".join(words), Filters(category)))
    return made


def _fill(database_url: str, products: int, vocabulary: list[str]) -> list[str]:
    """Products with stock, written by COPY; returns some of their titles."""
    randomness = np.random.default_rng(3)
    weights = np.array(catalogue.zipf_weights(len(vocabulary), 0.9))
    drawn: Iterator[str] = itertools.cycle(
        vocabulary[place] for place in randomness.choice(len(vocabulary), 2_000_000, p=weights / weights.sum())
    )
    titles: list[str] = []
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        categories = []
        for number in range(5):
            root = new_id()
            cursor.execute(_CATEGORY, (root, None, f"department{number}", "", f"department{number}"))
            for leaf in range(LEAVES):
                categories.append(each := new_id())
                cursor.execute(_CATEGORY, (each, root, f"shelf{leaf}", "", f"department{number}/shelf{leaf}"))
        cursor.execute("INSERT INTO warehouses (code, name) VALUES ('main', 'main') ON CONFLICT DO NOTHING")
        ids = [new_id() for _ in range(products)]
        with cursor.copy(_PRODUCTS) as rows:
            for number, product_id in enumerate(ids):
                title = " ".join(itertools.islice(drawn, 4 + number % 4))
                description = " ".join(itertools.islice(drawn, 20))
                if number % max(1, products // 5_000) == 0:
                    titles.append(title)
                rows.write_row((
                    product_id, f"BENCH-{number:07}", title, description, categories[number % len(categories)],
                    f"Brand {number % BRANDS}", f"{5 + number % 90}.99", f"{5 + number % 90}.99", "2026-01-01", "2026-01-01",
                ))  # fmt: skip
        with cursor.copy("COPY stock (sku, warehouse, product_id, available) FROM STDIN") as rows:
            for number, product_id in enumerate(ids):
                rows.write_row((f"BENCH-{number:07}", "main", product_id, number % 8))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ANALYZE products, stock, categories")
    return titles


_CATEGORY = "INSERT INTO categories (id, parent_id, slug, name, path) VALUES (%s, %s, %s, %s, %s)"
_PRODUCTS = """
COPY products (id, sku, title, description, category_id, brand, base_price, price, created_at, updated_at) FROM STDIN
"""
