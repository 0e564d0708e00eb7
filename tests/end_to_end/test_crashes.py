"""`kill -9` of API and worker at random moments over a thousand checkouts: nothing is lost, doubled or stuck.

The clients do what good clients do: an answer that did not come is asked for again under the same idempotency key.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import psycopg
import pytest

from lakefront.ids import new_id
from lakefront.runtime import orphans, ports
from lakefront.secrets import load_secrets
from transactional.orders import projection
from transactional.platform.database import Database

pytestmark = pytest.mark.end_to_end

CHECKOUTS, CLIENTS, PRODUCTS, UNITS = 1000, 8, 12, 120
VICTIMS = ("api", "worker", "api worker") * 2
TOKENS = ["tok_visa"] * 88 + ["tok_decline_x"] * 6 + ["tok_twice_x"] * 3 + ["tok_late_x"] * 2 + ["tok_timeout_x"]
ADDRESS = {"street": "123 Main St", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"}
SETTLED_SECONDS = 120

UNFINISHED = """
SELECT (SELECT count(*) FROM checkouts WHERE outcome IS NULL)
     + (SELECT count(*) FROM payment_operations WHERE status = 'due')
"""
# Each of these has to find nothing.
CONTRADICTIONS = {
    "an order is stuck": "SELECT id FROM orders WHERE status = 'pending'",
    "two orders of one key": "SELECT idempotency_key FROM checkouts GROUP BY scope, idempotency_key HAVING count(*) > 1",
    "an order without exactly one checkout": """
        SELECT o.id FROM orders o LEFT JOIN checkouts c ON c.order_id = o.id GROUP BY o.id HAVING count(c.id) <> 1""",
    "a confirmed order that was not charged exactly once, in full": """
        SELECT o.id FROM orders o WHERE o.status IN ('confirmed', 'review') AND 1 <> (
            SELECT count(*) FROM payments p JOIN sandbox_gateway.charges c ON c.merchant_reference = p.id::text
             WHERE p.order_id = o.id AND c.amount = o.total AND c.refunded = 0
               AND (p.status, c.status, c.captured) IN (('captured', 'captured', o.total), ('authorized', 'authorized', 0)))""",
    "money kept for an order that failed": """
        SELECT o.id FROM orders o JOIN payments p ON p.order_id = o.id
          JOIN sandbox_gateway.charges c ON c.merchant_reference = p.id::text
         WHERE o.status IN ('failed', 'cancelled') AND (c.status = 'authorized' OR c.captured > c.refunded)""",
    "a charge that the gateway carried out twice": """
        SELECT merchant_reference FROM sandbox_gateway.charges GROUP BY merchant_reference HAVING count(*) > 1""",
    "units that are neither there nor held": """
        SELECT s.sku FROM stock s WHERE s.available < 0 OR %(units)s <> s.available + (
            SELECT coalesce(sum(r.quantity), 0) FROM reservations r
             WHERE r.sku = s.sku AND r.warehouse = s.warehouse AND r.level IN ('hard', 'allocated'))""",
    "a stock that is not the sum of its ledger": """
        SELECT s.sku FROM stock s WHERE s.available <> (
            SELECT coalesce(sum(l.change), 0) FROM stock_ledger l WHERE l.sku = s.sku AND l.warehouse = s.warehouse)""",
    "an order whose units are not held as its status says": """
        SELECT o.id FROM orders o WHERE (SELECT count(*) FROM reservations r WHERE r.order_id = o.id AND r.level = 'allocated')
            <> CASE WHEN o.status IN ('confirmed', 'review') THEN 1 ELSE 0 END
            OR EXISTS (SELECT FROM reservations r WHERE r.order_id = o.id AND r.level = 'hard')""",
    "an aggregate whose events have a gap or a double": """
        SELECT e ->> 'key' FROM outbox, LATERAL (SELECT envelope::jsonb) AS parsed (e)
         WHERE e ->> 'event_type' NOT LIKE 'decisions.%%'
         GROUP BY e ->> 'key', split_part(e ->> 'event_type', '.', 2)
        HAVING count(*) <> max((e ->> 'sequence')::bigint) - min((e ->> 'sequence')::bigint) + 1
            OR count(*) <> count(DISTINCT e ->> 'sequence')""",
    "a history that was not told": """
        WITH told AS MATERIALIZED (
            SELECT e ->> 'key' AS key, count(*) FROM outbox, LATERAL (SELECT envelope::jsonb) AS parsed (e)
             WHERE e ->> 'event_type' LIKE 'commerce.order.%%' GROUP BY 1)
        SELECT o.id FROM orders o LEFT JOIN told ON told.key = o.id::text
         WHERE (SELECT count(*) FROM order_history h WHERE h.order_id = o.id) <> coalesce(told.count, 0)""",
}


@dataclass
class Processes:
    """An API with two workers, and a background worker, which are started again when they are killed."""

    home: Path
    variables: dict[str, str]
    port: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, name: str) -> None:
        module = {"api": "transactional.serve", "worker": "transactional.worker"}[name]
        with (self.home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", module], env=self.variables, stdout=log, stderr=log,
                preexec_fn=orphans.die_with_parent,
            )  # fmt: skip

    def kill(self, victim: str) -> None:
        """Kill the background worker, one worker of the API, or the whole API."""
        name = "worker" if victim == "worker" else "api"
        process = psutil.Process(self.running[name].pid)
        with suppress(psutil.NoSuchProcess, IndexError):
            if victim == "api worker":
                random.choice(process.children()).send_signal(signal.SIGKILL)
            else:
                process.send_signal(signal.SIGKILL)
                self.running[name].wait(10)
                self.start(name)
            self.kills[victim] += 1

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait(10)


@pytest.fixture
def processes(
    new_database: Callable[..., str], migrated_template: str, bus_url: str, store_url: str, tmp_path: Path,
    whole_machine: None,
) -> Iterator[Processes]:  # fmt: skip
    port = ports.any_free()
    variables = os.environ | {
        "LAKEFRONT_HOME": str(tmp_path),
        "LAKEFRONT_DATABASE_URL": new_database(migrated_template),
        "LAKEFRONT_BUS_URL": bus_url,
        "LAKEFRONT_STORE_URL": store_url,
        "LAKEFRONT_API_PORT": str(port),
        "LAKEFRONT_API_WORKERS": "2",
        "LAKEFRONT_SIMULATION": "true",
    }
    started = Processes(tmp_path, variables, port)
    for name in ("api", "worker"):
        started.start(name)
    try:
        yield started
    finally:
        started.stop()


@dataclass
class Customers:
    """Clients that order until there is nothing left to do; what they were told at the end of each order."""

    processes: Processes
    internal: dict[str, str]
    products: list[str] = field(default_factory=list)
    left: int = CHECKOUTS
    answers: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent_again: int = 0

    async def stock_the_shop(self) -> None:
        shelf = {"category": "tests", "stock": {"main": UNITS}}
        wanted = [
            {"sku": f"SKU-{new_id()}", "title": f"Product {n}", "price": f"{n}.99", **shelf}
            for n in range(1, PRODUCTS + 1)
        ]
        async with self.session() as session:
            for _ in range(120):
                with suppress(aiohttp.ClientError):
                    async with session.post("/api/v1/products", json={"products": wanted}) as answer:
                        assert answer.status == 201, await answer.text()
                        self.products = [item["product_id"] for item in (await answer.json())["items"]]
                        return
                await asyncio.sleep(0.5)
        raise TimeoutError("the API did not come up")

    def session(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=15)
        return aiohttp.ClientSession(self.processes.url, headers=self.internal, timeout=timeout)

    async def order_on(self, number: int) -> None:
        """One client: one order after the other."""
        randomness = random.Random(number)
        async with self.session() as session:
            while self.left > 0:
                self.left -= 1
                key = f"order-{new_id()}"
                self.bodies[key] = {
                    "items": [
                        {"product_id": randomness.choice(self.products), "quantity": randomness.choice([1, 1, 2])}
                    ],
                    "shipping_address": ADDRESS,
                    "payment_method": randomness.choice(TOKENS),
                }
                self.answers[key] = await self.answer_of(session, key)

    async def answer_of(self, session: aiohttp.ClientSession, key: str) -> tuple[int, dict[str, Any]]:
        """The final answer for a key, however often the way to it breaks."""
        headers = {"Idempotency-Key": key, "X-Session-Id": "session-of-the-crash-test"}
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.post("/api/v1/orders", json=self.bodies[key], headers=headers) as answer:
                    body = await answer.json()
                    code = body.get("code")
                    if code == "payment_unavailable" or (answer.status < 500 and code != "checkout_in_progress"):
                        return answer.status, body
            self.sent_again += 1
            await asyncio.sleep(0.2)
        raise TimeoutError(f"{key} was never answered")

    async def ask_again(self) -> dict[str, tuple[int, dict[str, Any]]]:
        """Every key once more: the shop has to remember what it answered."""
        async with self.session() as session:
            asked = list(self.bodies)
            return {key: await self.answer_of(session, key) for key in asked[:: len(asked) // 100]}


async def kill_now_and_then(processes: Processes, customers: Customers) -> None:
    """The moments are random in the course of trade, so that a fast machine sees as many kills as a slow one."""
    moments = sorted(random.sample(range(CHECKOUTS // 20, CHECKOUTS - CHECKOUTS // 20), len(VICTIMS)), reverse=True)
    for left, victim in zip(moments, VICTIMS, strict=True):
        while customers.left > left:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(processes.kill, victim)


async def everything_settled(url: str) -> None:
    deadline = time.monotonic() + SETTLED_SECONDS
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as core:
        while (await (await core.execute(UNFINISHED)).fetchone()) != (0,):
            assert time.monotonic() < deadline, "a checkout or a payment operation never came to its end"
            await asyncio.sleep(0.5)


def without_correlation(answer: tuple[int, dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    return answer[0], {name: value for name, value in answer[1].items() if name != "correlation_id"}


async def test_a_thousand_checkouts_survive_kills_at_random_moments(processes: Processes) -> None:
    customers = Customers(processes, {"X-Internal-Key": load_secrets(processes.home).internal_key})
    await customers.stock_the_shop()
    killing = asyncio.create_task(kill_now_and_then(processes, customers))
    await asyncio.gather(*(customers.order_on(number) for number in range(CLIENTS)))
    await killing
    url = processes.variables["LAKEFRONT_DATABASE_URL"]
    await everything_settled(url)

    assert len(customers.answers) == CHECKOUTS
    assert sum(processes.kills.values()) >= 3 and customers.sent_again > 0, (
        "no kill was noticed: the test proved nothing"
    )
    told = Counter(body.get("status") if status == 201 else body["code"] for status, body in customers.answers.values())
    assert told["confirmed"] > CHECKOUTS / 2, told
    # On a very slow machine the gateway's deadline may pass so often that its circuit opens: an end like any other.
    assert set(told) <= {"confirmed", "pending", "payment_declined", "out_of_stock", "payment_unavailable"}, told
    for key, answer in (await customers.ask_again()).items():
        first = customers.answers[key]
        # A refusal for want of stock leaves nothing behind, and of a pending order the outcome was not known yet.
        if "order_id" in first[1] and first[1].get("status") != "pending":
            assert without_correlation(answer) == without_correlation(first), "a key was answered in two ways"
    with psycopg.connect(url) as core:
        for wrong, query in CONTRADICTIONS.items():
            assert core.execute(query, {"units": UNITS}).fetchall() == [], wrong
        stored = {str(row[0]) for row in core.execute("SELECT id FROM orders WHERE status IN ('confirmed', 'review')")}
    acknowledged = {body["order_id"] for _, body in customers.answers.values() if body.get("status") == "confirmed"}
    assert acknowledged <= stored, "an order that the shop acknowledged is not there"
    db = await Database.open(url)
    assert [finding async for batch in projection.check(db) for finding in batch] == []
    await db.close()
