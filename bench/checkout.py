"""Orders a second and CPU-ms per order through `POST /orders`, beside pgbench with the very statements of a checkout."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import aiohttp
import psycopg
from rich.console import Console

from bench import catalogue, pgbench
from bench.environment import Environment, environment
from bench.load import Outcome, Plan, send
from bench.recording import Statement, logging_statements, read_statements, statements_about
from bench.results import Result, quantile
from lakefront.runtime import ports
from lakefront.secrets import load_secrets

PRODUCTS, UNITS, MEMBERS, PRICE, ZIPF = 1000, 1_000_000, 100, "19.99", 1.05
CLIENTS, SECONDS, WARM_UP_SECONDS, API_WORKERS = (1, 8), 8, 2, 2
PARTS = {"api": ("api",), "postgres": ("postgres",), "redis": ("bus", "store"), "worker": ("worker",)}
ADDRESS = {"street": "123 Main St", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"}

# The helper tables from which pgbench draws, as the load generator draws from its requests.
HELPERS = """
CREATE TABLE bench_products (n integer PRIMARY KEY, id uuid NOT NULL, sku text NOT NULL);
INSERT INTO bench_products SELECT row_number() OVER (ORDER BY sku), id, sku FROM products;
CREATE TABLE bench_members (n integer PRIMARY KEY, id uuid NOT NULL);
INSERT INTO bench_members SELECT row_number() OVER (ORDER BY id), id FROM users WHERE email LIKE 'bench%@%';
ANALYZE bench_products, bench_members;
"""
SETTINGS = f"\\set n random_zipfian(1, {PRODUCTS}, {ZIPF})\n\\set m random(1, {MEMBERS})"
DRAW = """SELECT p.id AS product, p.sku AS sku, m.id AS member, {fresh}
  FROM bench_products p, bench_members m WHERE p.n = :n AND m.n = :m"""

# What an order leaves behind. Each pgbench transaction has to leave as much.
TRACES = {
    "confirmed orders": "orders WHERE status = 'confirmed'",
    "settled checkouts": "checkouts WHERE outcome = 'confirmed'",
    "order lines": "order_lines",
    "history": "order_history",
    "authorized payments": "payments WHERE status = 'authorized'",
    "captures asked for": "payment_operations",
    "allocations": "reservations WHERE level = 'allocated'",
    "ledger entries": "stock_ledger",
    "outbox rows": "outbox",
    "charges": "sandbox_gateway.charges",
}


async def measure(console: Console) -> Result:
    """The shop with its worker at 1 and 8 clients, then PostgreSQL alone with the recorded statements."""
    result = Result("checkout")
    with environment() as servers:
        key = load_secrets(servers.home).internal_key
        port = ports.any_free()
        url = f"http://127.0.0.1:{port}"
        own = {"LAKEFRONT_API_PORT": str(port), "LAKEFRONT_API_WORKERS": str(API_WORKERS)}
        servers.start("api", ["-m", "transactional.serve"], **own)
        servers.wait_for(f"{url}/health/live")
        console.print(f"filling {PRODUCTS} products, registering {MEMBERS} members")
        products = await catalogue.fill(url, key, PRODUCTS, UNITS, PRICE)
        requests = _requests(products, await catalogue.members(url, key, MEMBERS), key)
        weights = [
            weight for weight in catalogue.zipf_weights(PRODUCTS, ZIPF) for _ in range(len(requests) // PRODUCTS)
        ]
        script, traces = await _recorded(servers, url, requests[0])
        console.print(f"an order is {len(script.statements)} statements; the shop")
        servers.start("worker", ["-m", "transactional.worker"], **own)
        shop: dict[int, tuple[Outcome, dict[str, float]]] = {}
        for clients in CLIENTS:
            plan = Plan(url, requests, clients, SECONDS, 0.0, weights, unique_header="Idempotency-Key")
            shop[clients] = await _run(servers, plan)
        refused = _value(servers, "SELECT count(*) FROM orders WHERE status <> 'confirmed'")
        servers.stop("worker")
        servers.stop("api")
        console.print("PostgreSQL alone")
        for clients in CLIENTS:
            bare, bare_cpu = await _run_bare(servers, script, traces, clients)
            _report(result, clients, *shop[clients], bare, bare_cpu)
    statuses = [outcome.statuses for outcome, _ in shop.values()]
    refused += sum(count for each in statuses for status, count in each.items() if int(status) >= 400)
    result.add("refused_or_unconfirmed", refused, "orders")
    return result


def _requests(products: list[str], tokens: list[str], key: str) -> list[dict[str, Any]]:
    """Four members' orders of each product, the most wanted product first."""
    return [
        {
            "method": "POST",
            "path": "/api/v1/orders",
            "headers": {
                "Authorization": f"Bearer {tokens[(place * 4 + turn) % len(tokens)]}",
                "X-Internal-Key": key,
                "Content-Type": "application/json",
            },
            "body": json.dumps(
                {
                    "items": [{"product_id": product, "quantity": 1, "price": PRICE}],
                    "shipping_address": ADDRESS,
                    "payment_method": f"tok_bench_{(place * 4 + turn) % len(tokens)}",
                }
            ),
        }
        for place, product in enumerate(products)
        for turn in range(4)
    ]


async def _recorded(servers: Environment, url: str, request: dict[str, Any]) -> tuple[pgbench.Script, dict[str, int]]:
    """The script of one order, and the traces that it leaves. No worker runs, so that nobody adds to them."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(HELPERS)
    async with aiohttp.ClientSession(url) as session:
        for _ in range(5 * API_WORKERS):  # caches are filled
            await _order(session, request)
        with logging_statements(servers.database_url):
            before = _traces(servers)
            first, order_id = await _order_statements(servers, session, request)
            left = {name: count - before[name] for name, count in _traces(servers).items()}
            second, _ = await _order_statements(servers, session, request)
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT l.product_id::text, l.sku, o.user_id::text FROM orders o JOIN order_lines l ON l.order_id = o.id"
            " WHERE o.id = %s",
            (order_id,),
        ).fetchone()
    if row is None or min(left.values()) < 1:
        raise RuntimeError(f"the recorded order is not complete: {left}")
    return pgbench.script_of(first, second, dict(zip(row, ("product", "sku", "member"), strict=True))), left


async def _order(session: aiohttp.ClientSession, request: dict[str, Any]) -> dict[str, Any]:
    headers = {**request["headers"], "Idempotency-Key": str(uuid4())}
    async with session.post(request["path"], headers=headers, data=request["body"]) as answer:
        body: dict[str, Any] = await answer.json()
        if answer.status != 201 or body["status"] != "confirmed":
            raise RuntimeError(f"the order was not confirmed: {body}")
        return body


async def _order_statements(
    servers: Environment, session: aiohttp.ClientSession, request: dict[str, Any]
) -> tuple[list[Statement], str]:
    """The statements of one order that is placed now, and its id."""
    log = servers.home / "postgres.log"
    offset = log.stat().st_size
    order = await _order(session, request)
    marks = (order["order_id"], order["payment_id"], order["items"][0]["product_id"])
    return statements_about(read_statements(log, offset), marks), order["order_id"]


async def _run(servers: Environment, plan: Plan) -> tuple[Outcome, dict[str, float]]:
    """The outcome of a plan and the CPU-ms per order of each part, with the captures that the worker does afterwards."""
    await send(replace(plan, seconds=WARM_UP_SECONDS))
    await _captured(servers)
    before = {part: servers.cpu_seconds(*names) for part, names in PARTS.items()}
    outcome = await send(plan)
    await _captured(servers)
    orders = sum(outcome.statuses.values())
    return outcome, {
        part: (servers.cpu_seconds(*names) - before[part]) * 1000 / orders for part, names in PARTS.items()
    }


async def _captured(servers: Environment, seconds: float = 60.0) -> None:
    """Wait until the worker has captured every order's payment."""
    deadline = time.monotonic() + seconds
    while due := _value(servers, "SELECT count(*) FROM payment_operations WHERE status = 'due'"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{due} captures are still due after {seconds:g} s")
        await asyncio.sleep(0.2)


async def _run_bare(
    servers: Environment, script: pgbench.Script, traces: dict[str, int], clients: int
) -> tuple[pgbench.Run, float]:
    """What pgbench reaches, and PostgreSQL's CPU-ms per transaction. Raises RuntimeError when it did less than orders."""
    file = servers.home / "checkout.pgbench"
    file.write_text(script.text(SETTINGS, DRAW))
    await pgbench.run(servers.database_url, script, file, clients, WARM_UP_SECONDS)
    before, cpu = _traces(servers), servers.cpu_seconds("postgres")
    run = await pgbench.run(servers.database_url, script, file, clients, SECONDS)
    used = servers.cpu_seconds("postgres") - cpu
    for name, count in _traces(servers).items():
        if count - before[name] < run.transactions * traces[name]:
            left = f"{count - before[name]} {name} instead of {run.transactions * traces[name]}"
            raise RuntimeError(f"pgbench did not do the work of {run.transactions} orders: it left {left}")
    return run, used * 1000 / run.transactions


def _traces(servers: Environment) -> dict[str, int]:
    return {name: _value(servers, f"SELECT count(*) FROM {what}") for name, what in TRACES.items()}


def _value(servers: Environment, query: str) -> int:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None, "a count is one row"
    return int(row[0])


def _report(
    result: Result, clients: int, outcome: Outcome, cpu: dict[str, float], bare: pgbench.Run, bare_cpu: float
) -> None:
    result.add(f"orders_per_s_{clients}", outcome.rate, "1/s", bare.rate)
    result.add(f"cpu_ms_per_order_{clients}", sum(cpu.values()), "ms")
    for part, milliseconds in cpu.items():
        limit = bare_cpu if part == "postgres" else None
        result.add(f"cpu_ms_per_order_{clients}_{part}", milliseconds, "ms", limit)
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        result.add(f"latency_{name}_{clients}", quantile(outcome.latencies_ms, share), "ms")
