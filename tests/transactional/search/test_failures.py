"""What goes wrong with the index costs searches at most: damaged files, a writer killed while it commits, a full disk."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from transactional.search import service


def start(log: Path) -> subprocess.Popen[bytes]:
    """The search writer, with its log in a file."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "transactional.search.process"], env=dict(os.environ), stdout=output, stderr=output
        )


async def until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.05)


def segments(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in {".store", ".term", ".idx", ".fast"}]


async def test_a_damaged_index_costs_searches_until_its_writer_has_built_another(
    house, client, index, create_product
) -> None:
    product = await create_product(title="Anvil", stock={"main": 1})
    broken = house.folder.path(await index())
    for path in segments(broken):
        os.truncate(path, path.stat().st_size // 2)
    (broken / "meta.json").touch()
    search = service.search_of(house.core)
    search.reader._snapshot = None  # a worker that starts now
    await search.reader.look()
    answer = await client.get("/api/v1/search", params={"q": "anvil"})
    assert (answer.status_code, answer.json()["code"]) == (503, "search_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert (await client.get(f"/api/v1/products/{product['product_id']}")).status_code == 200
    stopping = asyncio.Event()
    running = asyncio.create_task(house.writer().run(stopping))
    try:
        await until(lambda: house.folder.current() != broken.name)
        await search.reader.look()
        answer = await client.get("/api/v1/search", params={"q": "anvil"})
        assert [item["title"] for item in answer.json()["items"]] == ["Anvil"]
    finally:
        stopping.set()
        await running


async def test_what_the_engine_says_or_panics_about_while_it_searches_is_no_defect_of_the_shop(
    house, client, index, create_product, monkeypatch
) -> None:
    class PanicException(BaseException):
        """As the engine's, which is no Exception."""

    await create_product(title="Anvil")
    await index()
    kind = type(service.search_of(house.core).reader.snapshot)
    for error in (PanicException("index out of bounds"), ValueError("Data corrupted"), OSError("gone")):

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(kind, "find", fail)
            patched.setattr(kind, "suggest", fail)
            for path in ("/api/v1/search?q=anvil", "/api/v1/search/suggestions?prefix=anv"):
                service.results.clear()
                service.suggestions.clear()
                assert (await client.get(path)).json()["code"] == "search_unavailable", (path, error)
                await service.search_of(house.core).reader.look()
        answer = await client.get("/api/v1/search?q=anvil")
        assert answer.status_code == 200, "the index is looked at again"


async def test_a_writer_killed_at_any_moment_of_its_commits_goes_on_exactly_where_it_was(
    house, shop, internal, create_product, tmp_path
) -> None:
    """Fourteen times, each at another moment; what is changed meanwhile is neither lost nor put twice."""
    randomness = random.Random(4)
    log = tmp_path / "writer.log"
    products = [await create_product(title=f"Number {number:02}") for number in range(4)]
    changes = 0
    for _ in range(14):
        process = start(log)
        try:
            await until(lambda: b'"started"' in log.read_bytes())
            log.write_bytes(b"")
            deadline = time.monotonic() + randomness.uniform(0.02, 0.9)
            while time.monotonic() < deadline:
                changes += 1
                product = products[changes % len(products)]
                body = {"quantity": changes, "warehouse": "main"}
                path = f"/api/v1/inventory/{product['product_id']}/quantity"
                answer = await shop.client.put(path, json=body, headers=internal)
                assert answer.status_code == 200, answer.text
                await house.relay()
        finally:
            process.kill()
            process.wait()
    products.append(await create_product(title="Number 04"))
    await house.relay()
    last = start(log)
    try:
        await until(lambda: len(house.found("kind", "product")) == len(products))
        expected = [await shop.available(product) > 0 for product in products]
        await until(lambda: [card["in_stock"] for card in house.found("kind", "product")] == expected)
    finally:
        last.kill()
        last.wait()
    cards = house.found("kind", "product")
    assert [card["title"] for card in cards] == [f"Number {number:02}" for number in range(5)]


async def test_a_full_disk_keeps_the_last_commit_and_is_waited_out(house, create_product) -> None:
    """A limit on the size of files stands for the disk: the kernel refuses writes in the same way."""

    def titles() -> list[str]:
        return [] if house.folder.current() is None else [card["title"] for card in house.found("kind", "product")]

    writer = start(Path(os.devnull))  # a log in a file could not grow either
    try:
        await create_product(title="One")
        await house.relay()
        await until(lambda: titles() == ["One"])
        resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        await create_product(title="Two")
        await house.relay()
        await asyncio.sleep(2.5)
        assert writer.poll() is None
        assert titles() == ["One"]
        resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until(lambda: titles() == ["One", "Two"])
    finally:
        writer.kill()
        writer.wait()
