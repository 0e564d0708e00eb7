"""Orders a second and CPU-ms per order, from a full cart to the captured payment, beside pgbench with its statements."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any
from uuid import uuid4

import aiohttp
import psycopg
from psycopg.rows import dict_row
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
ORDERS = {1: 300, 8: 1200, 32: 1200}
"""How many carts so many clients check out in a turn."""
TURNS = {1: 3, 8: 5, 32: 3}
WARM_UP_ORDERS, TURN_WARM_UP_ORDERS, BARE_SECONDS, BARE_CARTS, API_WORKERS = 300, 120, 4, 5000, 2
PARTS = {"api": ("api",), "postgres": ("postgres",), "redis": ("bus", "store"), "worker": ("worker",)}
ADDRESS = {"street": "123 Main St", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"}

# pgbench takes one cart after the other, as the load generator does.
CARTS = """SELECT c.id::text AS cart, c.user_id::text AS member, i.product_id::text AS product, i.sku
  FROM carts c JOIN cart_items i ON i.cart_id = c.id ORDER BY c.id"""

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
        """The outcome of a plan and the CPU-ms per order of each part, with the captures that the worker does afterwards.

        Each shopper has been seen before, as those who order are: looked at the cart, and asked what it comes to.
        """
        looks = [{"path": "/api/v1/cart", "headers": request["headers"]} for request in plan.requests]
        quotes = [{**request, "path": "/api/v1/checkout/quote", "body": _quoted(request)} for request in plan.requests]
        for requests in (looks, quotes):
            seen = await send(replace(plan, requests=requests, unique_header=None))
            if seen.statuses.keys() != {"200"}:
                raise RuntimeError(f"shoppers were not shown their carts and quotes: {seen.statuses}")
        used = {part: self.servers.cpu_seconds(*names) for part, names in PARTS.items()}
        outcome = await send(plan)
        await captured(self.servers)
        orders = sum(outcome.statuses.values())
        return outcome, {
            part: (self.servers.cpu_seconds(*names) - used[part]) * 1000 / orders for part, names in PARTS.items()
        }


def _quoted(order: dict[str, Any]) -> str:
    """The body of a quote for an order's request."""
    ship_to = {"country": ADDRESS["country"], "state": ADDRESS["state"]}
    return json.dumps({"cart_id": json.loads(order["body"])["cart_id"], "ship_to": ship_to})


async def open_shop(servers: Environment) -> Shop:
    """The API and its products; the worker is started by the caller."""
    key = load_secrets(servers.home).internal_key
    port = ports.any_free()
    url = f"http://127.0.0.1:{port}"
    # Without the movable clock, as a shop in business: every process would ask for it ten times a second.
    own = {
        "LAKEFRONT_API_PORT": str(port),
        "LAKEFRONT_API_WORKERS": str(API_WORKERS),
        "LAKEFRONT_SIMULATION": "false",
    }
    servers.start("api", ["-m", "transactional.serve"], **own)
    servers.wait_for(f"{url}/health/live")
    return Shop(servers, url, await catalogue.fill(url, key, PRODUCTS, UNITS, PRICE), own)


async def measure(console: Console) -> Result:
    """The shop with its worker at 1, 8 and 32 clients, by turns with PostgreSQL alone and the recorded statements."""
    result = Result("checkout")
    with environment() as servers:
        console.print(f"filling {PRODUCTS:,} products")
        shop = await open_shop(servers)
        script, traces = await _recorded(shop)
        console.print(f"an order is {len(script.statements)} statements; the shop")
        servers.start("worker", ["-m", "transactional.worker"], **shop.own)
        await shop.run(shop.plan(8, WARM_UP_ORDERS))
        turns = {
            clients: [await _turn(shop, script, traces, clients) for _ in range(number)]
            for clients, number in TURNS.items()
        }
        console.print(f"the shop with {MANY_PRODUCTS:,} products")
        shop.products = catalogue.multiply(servers.database_url, MANY_PRODUCTS)
        many, many_cpu = await shop.run(shop.plan(8, 3 * ORDERS[8]))
        bare_orders = sum(turn.bare.transactions for each in turns.values() for turn in each)
        refused = _value(servers, "SELECT count(*) FROM orders WHERE status <> 'confirmed'")
    console.print(f"{bare_orders:,} orders by pgbench beside them")
    for clients, each in turns.items():
        report(result, f"_{clients}", *_together(each))
    report(result, f"_8_of_{MANY_PRODUCTS}_products", many, many_cpu)
    outcomes = [turn.outcome for each in turns.values() for turn in each] + [many]
    refused += sum(count for each in outcomes for status, count in each.statuses.items() if int(status) >= 400)
    result.add("refused_or_unconfirmed", refused, "orders")
    return result


@dataclass(frozen=True)
class Turn:
    """Orders through the shop, and by pgbench directly afterwards: a shared machine is not the same for long."""

    outcome: Outcome
    cpu: dict[str, float]
    """CPU-ms per order of each part."""
    bare: pgbench.Run
    bare_cpu: float
    """PostgreSQL's CPU-ms per transaction."""


async def _turn(shop: Shop, script: pgbench.Script, traces: dict[str, int], clients: int) -> Turn:
    warming_up, plan = shop.plan(clients, TURN_WARM_UP_ORDERS), shop.plan(clients, ORDERS[clients])
    tidy(shop.servers)
    await shop.run(warming_up)  # what was tidied is planned anew
    outcome, cpu = await shop.run(plan)
    with shop.servers.paused("api", "worker"):
        bare, bare_cpu = await _run_bare(shop, script, traces, clients)
    await captured(shop.servers)  # of pgbench's orders: they are not to be in the next turn's way
    return Turn(outcome, cpu, bare, bare_cpu)


def tidy(servers: Environment) -> None:
    """Do now what PostgreSQL would do at a time of its own, in this turn or in the other one."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("VACUUM (ANALYZE)")


def _together(turns: list[Turn]) -> tuple[Outcome, dict[str, float], pgbench.Run, float]:
    """What turns of the same size come to."""
    outcome = Outcome(
        sum(turn.outcome.seconds for turn in turns),
        sum(turn.outcome.cpu_seconds for turn in turns),
        dict(sum((Counter(turn.outcome.statuses) for turn in turns), Counter())),
        [latency for turn in turns for latency in turn.outcome.latencies_ms],
    )
    cpu = {part: mean(turn.cpu[part] for turn in turns) for part in turns[0].cpu}
    bare = pgbench.Run(sum(turn.bare.transactions for turn in turns), mean(turn.bare.rate for turn in turns))
    return outcome, cpu, bare, mean(turn.bare_cpu for turn in turns)


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
    with psycopg.connect(servers.database_url, autocommit=True, row_factory=dict_row) as connection:
        pgbench.fill(servers.database_url, script, connection.execute(CARTS).fetchall())
    tidy(servers)
    file = servers.home / "checkout.pgbench"
    file.write_text(script.text())
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
