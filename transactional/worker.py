"""`python -m transactional.worker`: what goes on behind the requests.

Recovers checkouts that lost their process, carries out captures, reversals and refunds, takes back expired
reservations and carts, deletes accounts whose owners want it, counts what is bought most, makes the sizes of images, lets
products follow their sellers, raises reorder alerts, and lets the sandbox gateway send its webhooks. Any number of workers
may run at once. PostgreSQL being away is waited for with back-off; SIGTERM lets what is under way end first.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

import aiohttp
import psycopg
import structlog
import uvloop
from fastapi import FastAPI
from psycopg_pool import PoolTimeout

from lakefront.telemetry import configure
from transactional.accounts.deletion import carry_out_due as delete_accounts
from transactional.accounts.tasks import forget_ended
from transactional.carts.service import expire_carts
from transactional.catalogue.service import count_popularity
from transactional.images.tasks import make_sizes, remove_unused
from transactional.inventory.service import expire_reservations
from transactional.inventory.warehouses import raise_alerts
from transactional.orders.checkout.service import recover
from transactional.payments.gateways.registry import close_gateways, open_gateways
from transactional.payments.gateways.sandbox.delivery import deliver_webhooks
from transactional.payments.operations import BATCH, carry_out_due
from transactional.platform.core import Core
from transactional.platform.lifespan import lifespan_with
from transactional.sellers.tasks import settle_products

WEBHOOK_PATH = "/api/v1/payments/webhooks/sandbox"
WEBHOOK_SECONDS = 5
LONGEST_PAUSE = 10.0
Task = Callable[[], Awaitable[int]]
log = structlog.get_logger(__name__)


async def repeat(name: str, task: Task, pause: float, stop: asyncio.Event) -> None:
    """Run a task again and again until told to stop: at once while there is work, else after a pause; longer after a
    failure."""
    failures = 0
    while not stop.is_set():
        try:
            done = await task()
            failures = 0
            wait = 0.0 if done else pause
        except (psycopg.OperationalError, PoolTimeout) as error:
            failures += 1
            wait = min(pause * 2**failures, LONGEST_PAUSE) * random.uniform(0.5, 1.5)
            log.warning("worker_waits_for_database", task=name, error=str(error), seconds=round(wait, 2))
        except Exception:  # a defect in one round must not end the others; it is logged and tried again
            failures += 1
            wait = min(pause * 2**failures, LONGEST_PAUSE)
            log.exception("worker_task_failed", task=name)
        if wait:
            await _sleep(wait, stop)


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def _carry_out_due(core: Core) -> int:
    """A round of payments; only a full one is followed by the next at once. Each order asks for a capture, and one round for
    ten of them costs half of ten rounds."""
    done = await carry_out_due(core)
    return done if done == BATCH else 0


async def work(core: Core, stop: asyncio.Event) -> None:
    """All tasks, until told to stop; each ends after the round it is in."""
    timeout = aiohttp.ClientTimeout(total=WEBHOOK_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as group:
        tasks: list[tuple[str, Task, float]] = [
            ("checkouts", lambda: recover(core), 0.5),
            ("payments", lambda: _carry_out_due(core), 0.25),
            ("reservations", lambda: expire_reservations(core), 1.0),
            ("carts", lambda: expire_carts(core), 30.0),
            ("accounts", lambda: forget_ended(core), 60.0),
            ("deletions", lambda: delete_accounts(core), 5.0),
            ("popularity", lambda: count_popularity(core), 60.0),
            ("images", lambda: make_sizes(core), 1.0),
            ("unused_images", lambda: remove_unused(core), 60.0),
            ("sellers", lambda: settle_products(core), 1.0),
            ("alerts", lambda: raise_alerts(core), 1.0),
            ("webhooks", lambda: deliver_webhooks(core.db, http, core.settings.api_url + WEBHOOK_PATH), 1.0),
        ]
        for name, task, pause in tasks:
            group.create_task(repeat(name, task, pause, stop), name=name)
        log.info("worker_started")
    log.info("worker_stopped")


async def main() -> None:
    """Until SIGTERM or SIGINT."""
    configure("worker")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    working = asyncio.Event()
    running = asyncio.create_task(_run(stop, working))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.is_set():  # still waiting for PostgreSQL: there is nothing to end first
        running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        log.info("worker_stopped_before_it_began")


async def _run(stop: asyncio.Event, working: asyncio.Event) -> None:
    holder = FastAPI()  # the lifespan makes the same Core that an API worker has
    async with lifespan_with(open_gateways, last_steps=[close_gateways])(holder):
        working.set()
        await work(holder.state.core, stop)


if __name__ == "__main__":
    uvloop.run(main())
