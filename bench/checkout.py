"""Orders a second and CPU-ms per order, from a full cart to the captured payment, beside pgbench with its statements."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import psycopg
from rich.console import Console

from bench import catalogue, pgbench, shoppers
from bench.environment import Environment, environment
from bench.load import Outcome, Plan, send
from bench.recording import Statement, logging_statements, read_statements, statements_about
from bench.results import Result, quantile
from bench.shoppers import Shopper
from lakefront.runtime import ports
from lakefront.secrets import load_secrets

PRODUCTS, MANY_PRODUCTS, UNITS, PRICE = 1000, 100_000, 1_000_000, "19.99"
ORDERS = {1: 500, 8: 2000, 32: 2000}
"""How many carts so many clients check out."""
WARM_UP_ORDERS, BARE_SECONDS, BARE_CARTS, API_WORKERS = 300, 6, 6000, 2
PARTS = {"api": ("api",), "postgres": ("postgres",), "redis": ("bus", "store"), "worker": ("worker",)}
ADDRESS = {"street": "123 Main St", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"}

# pgbench takes one cart after the other, as the load generator does.
HELPERS = """
CREATE TABLE IF NOT EXISTS bench_carts (n bigint PRIMARY KEY, cart uuid, member uuid, product uuid, sku text);
CREATE SEQUENCE IF NOT EXISTS bench_next;
TRUNCATE bench_carts;
INSERT INTO bench_carts
SELECT row_number() OVER (ORDER BY c.id), c.id, c.user_id, i.product_id, i.sku
  FROM carts c JOIN cart_items i ON i.cart_id = c.id;
ANALYZE bench_carts;
ALTER SEQUENCE bench_next RESTART;
"""
DRAW = """SELECT b.product AS product, b.sku AS sku, b.member AS member, b.cart AS cart, {fresh}
  FROM (SELECT nextval('bench_next') AS n OFFSET 0) t JOIN bench_carts b ON b.n = t.n"""

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


@dataclass
class Shop:
    """An API with a worker on servers of its own, products, and shoppers who have not ordered yet."""

    servers: Environment
    url: str
    key: str
    products: list[str]
    own: dict[str, str]
    randomness: random.Random = field(default_factory=lambda: random.Random(7))
    known: int = 0

    def shoppers(self, number: int, products: list[str] | None = None) -> list[Shopper]:
        """So many new ones, each with a full cart."""
        wanted = catalogue.wanted(products or self.products, number, self.randomness)
        self.known += number
        return shoppers.fill(self.servers, wanted, self.known - number)

    def plan(self, clients: int, orders: int, products: list[str] | None = None) -> Plan:
        """Clients who check so many carts out, one after the other."""
        requests = [self.request(shopper) for shopper in self.shoppers(orders, products)]
        return Plan(self.url, requests, clients, 600.0, 0.0, in_order=True, unique_header="Idempotency-Key")

    def request(self, shopper: Shopper) -> dict[str, Any]:
        return {
            "method": "POST",
            "path": "/api/v1/orders",
            "headers": {
                "Authorization": f"Bearer {shopper.token}",
                "X-Internal-Key": self.key,
                "Content-Type": "application/json",
            },
            "body": json.dumps(
                {
                    "cart_id": str(shopper.cart),
                    "shipping_address": ADDRESS,
                    "payment_method": f"tok_{shopper.member.hex}",
                }
            ),
        }

    async def run(self, plan: Plan) -> tuple[Outcome, dict[str, float]]:
        """The outcome of a plan and the CPU-ms per order of each part, with the captures that the worker does afterwards."""
        before = {part: self.servers.cpu_seconds(*names) for part, names in PARTS.items()}
        outcome = await send(plan)
        await captured(self.servers)
        orders = sum(outcome.statuses.values())
        return outcome, {
            part: (self.servers.cpu_seconds(*names) - before[part]) * 1000 / orders for part, names in PARTS.items()
        }


async def open_shop(servers: Environment) -> Shop:
    """The API and its products; the worker is started by the caller."""
    key = load_secrets(servers.home).internal_key
    port = ports.any_free()
    url = f"http://127.0.0.1:{port}"
    own = {"LAKEFRONT_API_PORT": str(port), "LAKEFRONT_API_WORKERS": str(API_WORKERS)}
    servers.start("api", ["-m", "transactional.serve"], **own)
    servers.wait_for(f"{url}/health/live")
    return Shop(servers, url, key, await catalogue.fill(url, key, PRODUCTS, UNITS, PRICE), own)


async def measure(console: Console) -> Result:
    """The shop with its worker at 1, 8 and 32 clients, then PostgreSQL alone with the recorded statements."""
    result = Result("checkout")
    with environment() as servers:
        console.print(f"filling {PRODUCTS:,} products")
        shop = await open_shop(servers)
        script, traces = await _recorded(shop)
        console.print(f"an order is {len(script.statements)} statements; the shop")
        servers.start("worker", ["-m", "transactional.worker"], **shop.own)
        await shop.run(shop.plan(8, WARM_UP_ORDERS))
        outcomes = {clients: await shop.run(shop.plan(clients, orders)) for clients, orders in ORDERS.items()}
        console.print(f"the shop with {MANY_PRODUCTS:,} products")
        shop.products = catalogue.multiply(servers.database_url, MANY_PRODUCTS)
        many, many_cpu = await shop.run(shop.plan(8, ORDERS[8]))
        refused = _value(servers, "SELECT count(*) FROM orders WHERE status <> 'confirmed'")
        servers.stop("worker")
        servers.stop("api")
        console.print("PostgreSQL alone")
        for clients in ORDERS:
            bare, bare_cpu = await _run_bare(shop, script, traces, clients)
            report(result, f"_{clients}", *outcomes[clients], bare, bare_cpu)
        report(result, f"_8_of_{MANY_PRODUCTS}_products", many, many_cpu)
    outcomes_of_all = [outcome for outcome, _ in outcomes.values()] + [many]
    refused += sum(count for each in outcomes_of_all for status, count in each.statuses.items() if int(status) >= 400)
    result.add("refused_or_unconfirmed", refused, "orders")
    return result


async def _recorded(shop: Shop) -> tuple[pgbench.Script, dict[str, int]]:
    """The script of one order, and the traces that it leaves. No worker runs, so that nobody adds to them."""
    servers = shop.servers
    first, second, *others = shop.shoppers(2 + 5 * API_WORKERS)
    async with aiohttp.ClientSession(shop.url) as session:
        for other in others:  # caches are filled
            await _order(session, shop.request(other))
        with logging_statements(servers.database_url):
            before = _traces(servers)
            one = await _order_statements(shop, session, first)
            left = {name: count - before[name] for name, count in _traces(servers).items()}
            another = await _order_statements(shop, session, second)
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        row = connection.execute("SELECT sku FROM products WHERE id = %s", (first.product,)).fetchone()
    if row is None or min(left.values()) < 1:
        raise RuntimeError(f"the recorded order is not complete: {left}")
    drawn = {str(first.product): "product", row[0]: "sku", str(first.member): "member", str(first.cart): "cart"}
    return pgbench.script_of(one, another, drawn), left


async def _order(session: aiohttp.ClientSession, request: dict[str, Any]) -> dict[str, Any]:
    headers = {**request["headers"], "Idempotency-Key": str(uuid4())}
    async with session.post(request["path"], headers=headers, data=request["body"]) as answer:
        body: dict[str, Any] = await answer.json()
        if answer.status != 201 or body["status"] != "confirmed":
            raise RuntimeError(f"the order was not confirmed: {body}")
        return body


async def _order_statements(shop: Shop, session: aiohttp.ClientSession, shopper: Shopper) -> list[Statement]:
    """The statements of one order that is placed now."""
    log = shop.servers.home / "postgres.log"
    offset = log.stat().st_size
    order = await _order(session, shop.request(shopper))
    marks = (order["order_id"], order["payment_id"], str(shopper.product), str(shopper.cart))
    return statements_about(read_statements(log, offset), marks)


async def captured(servers: Environment, seconds: float = 60.0) -> None:
    """Wait until the worker has captured every order's payment."""
    deadline = time.monotonic() + seconds
    while due := _value(servers, "SELECT count(*) FROM payment_operations WHERE status = 'due'"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{due} captures are still due after {seconds:g} s")
        await asyncio.sleep(0.2)


async def _run_bare(
    shop: Shop, script: pgbench.Script, traces: dict[str, int], clients: int
) -> tuple[pgbench.Run, float]:
    """What pgbench reaches, and PostgreSQL's CPU-ms per transaction. Raises RuntimeError when it did less than orders."""
    servers = shop.servers
    shop.shoppers(BARE_CARTS)
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(HELPERS)
    file = servers.home / "checkout.pgbench"
    file.write_text(script.text("", DRAW))
    await pgbench.run(servers.database_url, script, file, clients, 1)
    before, cpu = _traces(servers), servers.cpu_seconds("postgres")
    run = await pgbench.run(servers.database_url, script, file, clients, BARE_SECONDS)
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


def report(
    result: Result,
    name: str,
    outcome: Outcome,
    cpu: dict[str, float],
    bare: pgbench.Run | None = None,
    bare_cpu: float | None = None,
) -> None:
    """The figures of one run, beside its limit where there is one."""
    result.add(f"orders_per_s{name}", outcome.rate, "1/s", bare.rate if bare else None)
    result.add(f"cpu_ms_per_order{name}", sum(cpu.values()), "ms")
    for part, milliseconds in cpu.items():
        limit = bare_cpu if part == "postgres" else None
        result.add(f"cpu_ms_per_order{name}_{part}", milliseconds, "ms", limit)
    for share, quantile_name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        result.add(f"latency_{quantile_name}{name}", quantile(outcome.latencies_ms, share), "ms")
    result.add(f"cpu_ms_of_load_generator{name}", outcome.cpu_seconds * 1000 / sum(outcome.statuses.values()), "ms")
