"""A price that a merchandiser changes is never shown old after five seconds, by any API worker, whatever Redis does: two API
processes and the relay as they run in production, and a store that is stopped, or killed with all that it knew. Nor are the
products of a seller who is suspended shown for longer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio

from lakefront.ids import new_id
from lakefront.runtime import ports, redis_server
from lakefront.secrets import load_secrets

WORKERS = 2
NEVER_OLD_AFTER = 5.0


@dataclass
class Store:
    """The Redis of the caches."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = redis_server.command("store", self.folder, self.port)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        redis_server.wait_until_ready(redis_server.url(self.port), alive=self.process)

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(timeout=10)
        for file in self.folder.glob("*.rdb"):
            file.unlink()


@dataclass
class Shown:
    """What a worker showed: when, on which page, at what price."""

    at: float
    worker: int
    page: str
    price: str


@dataclass
class House:
    """The running processes, and clients of each API worker."""

    store: Store
    database_url: str
    clients: list[httpx.AsyncClient]
    internal: dict[str, str]
    environment: dict[str, str]
    seen: list[Shown] = field(default_factory=list)

    async def list_product(self, price: str, **more: str) -> tuple[str, str]:
        category = f"shown/{new_id().hex[-10:]}"
        product = {
            "sku": new_id().hex,
            "title": "Kettle",
            "category": category,
            "price": price,
            "stock": {"main": 5},
        } | more
        answer = await self.clients[0].post("/api/v1/products", json={"products": [product]}, headers=self.internal)
        assert answer.status_code == 201, answer.text
        return answer.json()["items"][0]["product_id"], category

    async def change_price(self, product_id: str, price: str) -> float:
        """When it was committed, at the latest."""
        body = {"changes": [{"product_id": product_id, "price": price, "reason": "manual"}]}
        answer = await self.clients[0].post("/api/v1/pricing/changes", json=body, headers=self.internal)
        assert answer.status_code == 200, answer.text
        return time.monotonic()

    async def look(self, product_id: str, category: str) -> None:
        """Every worker shows the product's page and the list that it stands in."""
        for worker, client in enumerate(self.clients):
            asked_at = time.monotonic()
            page, listed = await asyncio.gather(
                client.get(f"/api/v1/products/{product_id}"),
                client.get("/api/v1/products", params={"category": category}),
            )
            self.seen.append(Shown(asked_at, worker, "page", page.json()["price"]))
            self.seen.append(Shown(asked_at, worker, "list", listed.json()["items"][0]["price"]))

    async def look_for(self, seconds: float, product_id: str, category: str) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self.look(product_id, category)
            await asyncio.sleep(0.05)

    async def until_it_is_kept_for_long(self, product_id: str) -> None:
        """Until every worker hears the news: then what changes behind the shop's back stays unseen."""
        await self.sql("UPDATE products SET title = 'Kettle 0' WHERE id = %s", product_id)
        end, number = time.monotonic() + 30, 0
        while time.monotonic() < end:
            number += 1
            before = [await self.title(client, product_id) for client in self.clients]
            await self.sql("UPDATE products SET title = %s WHERE id = %s", f"Kettle {number}", product_id)
            await asyncio.sleep(2.5)
            if [await self.title(client, product_id) for client in self.clients] == before:
                return
        raise TimeoutError("no worker came to keep pages for long")

    async def write_review(self, product_id: str) -> str:
        """Of somebody to whom the product was delivered; it waits."""
        client = self.clients[0]
        account = {"email": f"{new_id().hex}@example.com", "password": "correct horse battery"}
        token = (await client.post("/api/v1/auth/register", json=account)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        address = {"street": "123 Main St", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"}
        items = [{"product_id": product_id, "quantity": 1}]
        order = {"items": items, "shipping_address": address, "payment_method": "tok_visa"}
        placed = (await client.post("/api/v1/orders", json=order, headers=headers)).json()
        await self.sql("UPDATE orders SET status = 'delivered' WHERE id = %s", placed["order_id"])
        words = {"rating": 4, "title": "Boils fast", "text": "Half a year of daily use and not a dent."}
        answer = await client.post(f"/api/v1/products/{product_id}/reviews", json=words, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["review_id"])

    async def ratings(self, product_id: str, category: str) -> list[tuple[int, int, int]]:
        """How many reviews each worker counts: on the page, in the list, and beside the reviews."""
        counts = []
        for client in self.clients:
            page = (await client.get(f"/api/v1/products/{product_id}")).json()
            listed = (await client.get("/api/v1/products", params={"category": category})).json()
            reviews = (await client.get(f"/api/v1/products/{product_id}/reviews")).json()
            counted = reviews["summary"]["rating_count"]
            counts.append((page["rating_count"], listed["items"][0]["rating_count"], counted))
        return counts

    async def title(self, client: httpx.AsyncClient, product_id: str) -> str:
        return str((await client.get(f"/api/v1/products/{product_id}")).json()["title"])

    async def sql(self, statement: str, *parameters: Any) -> None:
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            await connection.execute(statement, parameters)

    def assert_never_old(self, old: str, new: str, changed_at: float) -> None:
        late = [shown for shown in self.seen if shown.at > changed_at + NEVER_OLD_AFTER]
        assert {(shown.worker, shown.page) for shown in late} == {
            (worker, page) for worker in range(WORKERS) for page in ("page", "list")
        }
        assert {shown.price for shown in late} == {new}
        assert {shown.price for shown in self.seen if shown.at < changed_at} == {old}


@pytest.fixture
def processes() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    with ExitStack() as stack:

        def start(module: str, log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
            output = stack.enter_context(log.open("ab"))
            process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=output, stderr=output)

            def end() -> None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=10)
                process.kill()
                process.wait(timeout=10)

            stack.callback(end)
            return process

        yield start


@pytest_asyncio.fixture
async def house(
    servers: Any,
    new_database: Callable[..., str],
    migrated_template: str,
    tmp_path: Path,
    processes: Callable[..., subprocess.Popen[bytes]],
) -> AsyncIterator[House]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    store = Store(tmp_path, ports.any_free())
    store.start()
    environment = os.environ | {
        "LAKEFRONT_HOME": str(tmp_path),
        "LAKEFRONT_DATABASE_URL": new_database(migrated_template),
        "LAKEFRONT_BUS_URL": servers.bus_url(8 + int(worker.removeprefix("gw")) % 7),
        "LAKEFRONT_STORE_URL": redis_server.url(store.port),
        "LAKEFRONT_RATE_LIMIT_PER_MINUTE": "1000000",
        "LAKEFRONT_API_WORKERS": "1",
        "LAKEFRONT_FIELD_KEYS_FILE": str(tmp_path / "field-keys.json"),
        "LAKEFRONT_TOKEN_KEYS_FILE": str(tmp_path / "token-keys.json"),
    }
    internal = {"X-Internal-Key": load_secrets(tmp_path).internal_key}
    try:
        processes("transactional.relay", tmp_path / "relay.log", environment)
        urls = []
        for number in range(WORKERS):
            port = ports.any_free()
            own = {"LAKEFRONT_HOME": str(tmp_path / f"api-{number}"), "LAKEFRONT_API_PORT": str(port)}
            (tmp_path / f"api-{number}").mkdir()
            for secret in tmp_path.glob("*.json"):
                (tmp_path / f"api-{number}" / secret.name).write_bytes(secret.read_bytes())
            processes("transactional.serve", tmp_path / "api.log", environment | own)
            urls.append(f"http://127.0.0.1:{port}")
        clients = [httpx.AsyncClient(base_url=url, timeout=10) for url in urls]
        for client in clients:
            await _until_ready(client)
        yield House(store, environment["LAKEFRONT_DATABASE_URL"], clients, internal, environment)
        for client in clients:
            await client.aclose()
    finally:
        store.kill()


async def _until_ready(client: httpx.AsyncClient) -> None:
    end = time.monotonic() + 60
    while True:
        with suppress(httpx.HTTPError):
            if (await client.get("/health/ready")).status_code == 200:
                return
        assert time.monotonic() < end, "the API does not answer"
        await asyncio.sleep(0.1)


async def test_a_changed_price_is_soon_shown_by_every_worker(house: House) -> None:
    product_id, category = await house.list_product("10.00")
    await house.until_it_is_kept_for_long(product_id)
    await house.look(product_id, category)
    changed_at = await house.change_price(product_id, "11.00")
    await house.look_for(6.0, product_id, category)
    house.assert_never_old("10.00", "11.00", changed_at)
    first_new = min(shown.at for shown in house.seen if shown.price == "11.00")
    assert first_new < changed_at + NEVER_OLD_AFTER


async def test_a_review_that_is_approved_is_soon_counted_by_every_worker(house: House) -> None:
    product_id, category = await house.list_product("10.00")
    review = await house.write_review(product_id)
    await house.until_it_is_kept_for_long(product_id)
    assert await house.ratings(product_id, category) == [(0, 0, 0)] * WORKERS
    approve = f"/api/v1/reviews/{review}/approve"
    answer = await house.clients[0].post(approve, json={"version": 1}, headers=house.internal)
    assert answer.status_code == 200, answer.text
    end = time.monotonic() + NEVER_OLD_AFTER
    while (found := await house.ratings(product_id, category)) != [(1, 1, 1)] * WORKERS:
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)


async def test_a_price_that_changed_while_redis_was_paused_is_never_shown_old(house: House) -> None:
    product_id, category = await house.list_product("10.00")
    await house.until_it_is_kept_for_long(product_id)
    await house.look(product_id, category)
    house.store.pause()
    changed_at = await house.change_price(product_id, "11.00")
    await house.look_for(7.0, product_id, category)
    house.store.resume()
    await house.look_for(4.0, product_id, category)
    house.assert_never_old("10.00", "11.00", changed_at)
    await house.until_it_is_kept_for_long(product_id)  # and all is as it was


async def test_a_price_that_changed_while_redis_was_lost_is_never_shown_old(house: House) -> None:
    product_id, category = await house.list_product("10.00")
    await house.until_it_is_kept_for_long(product_id)
    await house.look(product_id, category)
    house.store.kill()
    changed_at = await house.change_price(product_id, "11.00")
    await asyncio.sleep(1.0)  # nobody looks meanwhile, so that nobody notices by an entry's age
    house.store.start()
    await house.look_for(7.0, product_id, category)
    house.assert_never_old("10.00", "11.00", changed_at)
    await house.until_it_is_kept_for_long(product_id)


async def test_a_sellers_name_and_products_are_soon_what_managers_made_of_them_with_every_worker(
    house: House, processes: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    processes("transactional.worker", tmp_path / "worker.log", house.environment)
    product_id, category = await house.list_product("10.00", seller="kettles-ab")
    await house.until_it_is_kept_for_long(product_id)

    async def shown(client: httpx.AsyncClient) -> tuple[int, str | None, int]:
        page, listed = await asyncio.gather(
            client.get(f"/api/v1/products/{product_id}"),
            client.get("/api/v1/products", params={"category": category}),
        )
        return page.status_code, page.json().get("seller_name"), len(listed.json()["items"])

    async def is_soon(path: str, body: dict[str, str], expected: tuple[int, str | None, int]) -> None:
        answer = await house.clients[0].request(
            "PATCH" if path == "" else "PUT", f"/api/v1/sellers/kettles-ab{path}", json=body, headers=house.internal
        )
        assert answer.status_code == 200, answer.text
        end = time.monotonic() + NEVER_OLD_AFTER
        found: list[tuple[int, str | None, int]] = []
        while time.monotonic() < end:
            found = [await shown(client) for client in house.clients]
            if found == [expected] * WORKERS:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"five seconds after {body}: {found}")

    assert [await shown(client) for client in house.clients] == [(200, "kettles-ab", 1)] * WORKERS
    await is_soon("", {"display_name": "Kettles & Sons"}, (200, "Kettles & Sons", 1))
    await is_soon("/status", {"status": "suspended"}, (404, None, 0))
    await is_soon("/status", {"status": "active"}, (200, "Kettles & Sons", 1))
