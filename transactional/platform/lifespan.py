"""Start and end of a worker: opens what requests need, and closes it in the opposite order."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from lakefront.bus import connect
from lakefront.clock import Clock
from lakefront.redis_connection import RedisConnection
from lakefront.settings import Settings, settings
from serving.decisions import Decisions
from transactional.platform import clock_follower, key_follower, revocations
from transactional.platform.core import Core
from transactional.platform.database import Database
from transactional.platform.publisher import Publisher

Step = Callable[[Core], Awaitable[None]]
_PR_SET_PDEATHSIG = 1
_PASSWORD_THREADS = 2


def die_with_server() -> None:
    """Let the kernel end this worker when its server is killed, even by kill -9: no orphan keeps the port."""
    server = os.environ.get("LAKEFRONT_SERVER_PROCESS")
    if server is None or int(server) == os.getpid():
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(server):  # it died before the request to the kernel
        os._exit(1)


def lifespan_with(
    *first_steps: Step, last_steps: Sequence[Step] = (), when_told_to_stop: Sequence[Step] = ()
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A lifespan that makes the worker's ``Core``, takes the domains' first steps with it, serves, and at the end takes
    their last steps. The server waits for open answers before it ends: ``when_told_to_stop`` ends those that would go on."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        die_with_server()
        async with AsyncExitStack() as stack:
            core = app.state.core = await _open_core(settings(), stack)
            for step in first_steps:
                await step(core)
            if when_told_to_stop:
                _hear_of_the_stop(core, when_told_to_stop)
            yield
            for step in last_steps:
                await step(core)

    return lifespan


def _hear_of_the_stop(core: Core, steps: Sequence[Step]) -> None:
    """Take these steps at the server's SIGTERM, and hand it on. The loop keeps one handler a signal, and the server's
    own, set before this one, does the same for SIGINT."""
    if "LAKEFRONT_SERVER_PROCESS" not in os.environ:
        return
    stopping: list[asyncio.Task[None]] = []

    async def stop() -> None:
        try:
            for step in steps:
                await step(core)
        finally:
            signal.raise_signal(signal.SIGINT)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: stopping.append(loop.create_task(stop())))


async def _open_core(chosen: Settings, stack: AsyncExitStack) -> Core:
    """Open what the core consists of. Waits for PostgreSQL; Redis and the models may come later."""
    db = await Database.open(chosen.database_url, chosen.database_pool_size)
    stack.push_async_callback(db.close)
    clock = Clock()
    await clock_follower.load(clock, db)
    store = RedisConnection(chosen.store_url)
    stack.push_async_callback(store.close)
    bus = connect(chosen.bus_url)
    stack.push_async_callback(bus.close)
    decisions = await Decisions.start(chosen)
    stack.push_async_callback(decisions.close)
    publisher = Publisher(bus, chosen.bus_deadline_milliseconds / 1000)
    publisher.start()
    stack.push_async_callback(publisher.stop)
    password_pool = ThreadPoolExecutor(_PASSWORD_THREADS, thread_name_prefix="password")
    stack.callback(password_pool.shutdown, wait=False, cancel_futures=True)
    if chosen.simulation:
        follower = asyncio.create_task(clock_follower.follow(clock, db))
        stack.callback(follower.cancel)
    follower_of_ends = asyncio.create_task(revocations.follow(db))
    stack.callback(follower_of_ends.cancel)
    follower_of_keys = asyncio.create_task(key_follower.follow())
    stack.callback(follower_of_keys.cancel)
    return Core(chosen, db, clock, bus, store, decisions, publisher, password_pool)
