"""The worker as a process: it captures what is due, survives, and ends cleanly on SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys


async def test_the_worker_captures_and_ends_on_sigterm(shop, create_user, create_product):
    user, product = await create_user(), await create_product(stock={"main": 5})
    order = (await shop.order(user.headers, product)).json()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "transactional.worker", env=dict(os.environ), stdout=asyncio.subprocess.PIPE
    )
    try:
        for _ in range(300):
            if (await shop.payment(order["order_id"]))["status"] == "captured":
                break
            await asyncio.sleep(0.1)
        assert (await shop.payment(order["order_id"]))["status"] == "captured"
        process.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(process.communicate(), 15)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    assert b"worker_stopped" in output and b"worker_task_failed" not in output


async def test_the_worker_waits_for_postgresql_and_still_ends(settings_with, bus_url, store_url):
    env = {**os.environ, "LAKEFRONT_DATABASE_URL": "postgresql://postgres@127.0.0.1:1/nowhere"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "transactional.worker", env=env, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        while b"clock_waits_for_database" not in await asyncio.wait_for(process.stdout.readline(), 30):
            assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 15)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
