"""Workers that make images smaller: several at once, one that dies by kill -9, one that comes back from the dead."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import sys
from typing import Any

from transactional.catalogue import service as catalogue
from transactional.images import tasks
from transactional.images.pixels import name_of

DYING = """
import asyncio, time
from types import SimpleNamespace
from lakefront.clock import Clock
from lakefront.settings import settings
from transactional.images import tasks
from transactional.platform.database import Database

def hang(body):
    print("resizing", flush=True)
    time.sleep(600)

async def main():
    tasks.resize = hang
    db = await Database.open(settings().database_url, 1)
    await tasks.make_sizes(SimpleNamespace(db=db, settings=settings(), clock=Clock()))

asyncio.run(main())
"""


async def test_two_workers_at_once_make_each_image_once(
    shop: Any, wide_core: Any, create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    await work()
    made = [await create_product() for _ in range(3)]
    bodies = [paint() for _ in range(6)]
    for place, body in enumerate(bodies):
        await upload(made[place % 3]["product_id"], body)
    shared = paint()
    for one in made:
        await upload(one["product_id"], shared)

    async def worker() -> int:
        done = 0
        while await tasks.make_sizes(wide_core):
            done += 1
        return done

    done = await asyncio.gather(worker(), worker(), worker(), worker())
    assert sum(done) == 7
    digests = [name_of(body) for body in [*bodies, shared]]
    found = await shop.sql("SELECT state, attempts, lease_until FROM images WHERE digest = ANY(%s)", digests)
    assert found == [("ready", 1, None)] * 7
    for one in made:
        catalogue.pages.clear()
        page = (await shop.client.get(f"/api/v1/products/{one['product_id']}")).json()
        assert len(page["images"]) == 3
        sequences = [fact["sequence"] for fact in await shop.facts(one["product_id"])]
        assert sorted(sequences) == list(range(1, page["version"] + 1))


async def test_an_image_whose_worker_was_killed_is_made_by_another(
    shop: Any, create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    await work()
    made, body = await create_product(), paint()
    digest = name_of(body)
    await upload(made["product_id"], body)
    dying = await asyncio.create_subprocess_exec(sys.executable, "-c", DYING, stdout=asyncio.subprocess.PIPE)
    assert dying.stdout is not None
    while b"resizing" not in await asyncio.wait_for(dying.stdout.readline(), 60):
        pass
    dying.send_signal(signal.SIGKILL)
    assert await dying.wait() == -signal.SIGKILL
    assert await tasks.make_sizes(shop.core) == 0  # its claim holds still
    await shop.sql("UPDATE images SET lease_until = now() - interval '1 s' WHERE digest = %s", digest)
    assert await tasks.make_sizes(shop.core) == 1
    assert await shop.sql("SELECT state, attempts FROM images WHERE digest = %s", digest) == [("ready", 2)]


async def test_a_worker_that_comes_back_after_its_claim_lapsed_changes_nothing(
    shop: Any, create_product: Any, paint: Any, upload: Any, work: Any, monkeypatch: Any
) -> None:
    await work()
    made, body = await create_product(), paint()
    digest = name_of(body)
    await upload(made["product_id"], body)
    real, loop = tasks.resize, asyncio.get_running_loop()

    async def overtake() -> None:
        await shop.sql("UPDATE images SET lease_until = now() - interval '1 s' WHERE digest = %s", digest)
        monkeypatch.setattr(tasks, "resize", real)
        assert await tasks.make_sizes(shop.core) == 1

    def slow(file: bytes) -> Any:
        asyncio.run_coroutine_threadsafe(overtake(), loop).result(30)
        return {size: dataclasses.replace(one, name=f"{'a' * 64}.webp") for size, one in real(file).items()}

    monkeypatch.setattr(tasks, "resize", slow)
    assert await tasks.make_sizes(shop.core) == 1
    ((sizes, attempts),) = await shop.sql("SELECT sizes, attempts FROM images WHERE digest = %s", digest)
    assert attempts == 2
    assert {size: one["name"] for size, one in sizes.items()} == {size: one.name for size, one in real(body).items()}
    assert [fact["sequence"] for fact in await shop.facts(made["product_id"])] == [1, 2, 3]
