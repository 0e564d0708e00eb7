"""`kill -9` of the API, the relay and the lake writer while shoppers trade: nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import psutil
import psycopg
import pytest

from lakefront.demo import measure
from lakefront.runtime import machine
from lakefront.secrets import secrets
from lakefront.settings import Settings
from simulator.client import Client
from simulator.world import Plan, World, stock_the_shelves

pytestmark = pytest.mark.end_to_end

VICTIMS = ("api", "relay", "lake-writer")
ROUNDS = 2

UNFINISHED_CHECKOUTS = "SELECT count(*) FROM checkouts WHERE outcome IS NULL"
WRONGLY_PAID = """
SELECT count(*) FROM orders o
 WHERE o.status IN ('confirmed', 'processing', 'shipped', 'delivered')
   AND 1 <> (SELECT count(*) FROM payments p WHERE p.order_id = o.id AND p.status IN ('authorized', 'captured', 'charged_back'))
"""
STOCK_OUT_OF_BALANCE = """
SELECT count(*) FROM stock s
 WHERE s.available <> (SELECT coalesce(sum(l.change), 0) FROM stock_ledger l WHERE l.sku = s.sku AND l.warehouse = s.warehouse)
"""


def pid_of(name: str) -> int:
    return next(state.pid for state in machine.states() if state.name == name)


def kill(name: str) -> int:
    """Kill a process and all its workers at once, as the kernel would when memory runs out. Returns its old pid."""
    pid = pid_of(name)
    for each in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        if each.is_running():
            os.kill(each.pid, signal.SIGKILL)
    return pid


async def until(what: Callable[[], bool], seconds: float, message: str) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await asyncio.to_thread(what):
        assert asyncio.get_running_loop().time() < deadline, message
        await asyncio.sleep(0.2)


def one_number(url: str, query: str) -> int:
    with psycopg.connect(url) as core:
        row = core.execute(query).fetchone()
    assert row is not None
    return int(row[0])


async def trade_while_processes_die(shop: Settings) -> tuple[World, Client]:
    async with Client(shop.api_url, secrets().internal_key) as client:
        await stock_the_shelves(client)
        world = await World.enter(client, Plan(shoppers=60, seed=3), secrets(), shop.home)
        await world.open_accounts()
        finished = asyncio.Event()
        trade = asyncio.create_task(world.trade_until(finished, visits_per_second=5.0))
        for name in VICTIMS * ROUNDS:
            await asyncio.sleep(2.0)
            old = await asyncio.to_thread(kill, name)
            await until(
                lambda name=name, old=old: pid_of(name) not in (0, old),  # type: ignore[misc]
                60,
                f"the supervisor did not restart {name}",
            )
        await until(
            lambda: world.tally.orders > 25 and client.traffic.events_accepted > 600, 240, "the shop hardly trades"
        )
        finished.set()
        await trade
    world.keep()
    return world, client


def test_nothing_is_lost_or_doubled_when_processes_are_killed_during_traffic(shop: Settings) -> None:
    async def run() -> tuple[World, Client]:
        world, client = await trade_while_processes_die(shop)
        await until(
            lambda: one_number(shop.database_url, UNFINISHED_CHECKOUTS) == 0,
            90,
            "a checkout was never finished or undone",
        )
        await measure.wait_for_bronze(client.traffic.events_accepted, world.shopping.session_prefix, 120.0)
        return world, client

    world, client = asyncio.run(run())
    found = measure.reconcile(client.traffic.events_accepted, world.shopping.session_prefix, up_to_gold=False)
    assert client.traffic.sent_again > 0, "no kill was noticed: the test proved nothing"
    assert found.orders_core == found.orders_bronze > 20
    assert found.events_accepted == found.events_bronze > 500
    assert found.duplicates_bronze == 0
    known = {order.order_id for order in world.shopping.orders}
    with psycopg.connect(shop.database_url) as core:
        stored = {str(row[0]) for row in core.execute("SELECT id FROM orders").fetchall()}
    assert known <= stored, "an order that the shop acknowledged is not there"
    assert one_number(shop.database_url, WRONGLY_PAID) == 0
    assert one_number(shop.database_url, STOCK_OUT_OF_BALANCE) == 0
