"""The API as a process: what importing it loads, workers that share their metrics, and what kill -9 leaves behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import httpx
import psutil
import pytest
from api_server import Server, serving, wait_for

from lakefront.ids import new_id
from lakefront.secrets import load_secrets

HEAVY = ("feast", "pandas", "sklearn", "implicit", "pyspark", "lightgbm", "pyarrow", "sqlalchemy", "dagster", "duckdb")


def test_importing_the_api_loads_nothing_heavy() -> None:
    code = (
        "import sys, transactional.app as a; a.create_app(); a.create_app();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def server(
    new_database: Callable[..., str], migrated_template: str, bus_url: str, store_url: str, tmp_path: Path
) -> Iterator[Server]:
    with serving(tmp_path, new_database(migrated_template), bus_url, store_url) as started:
        yield started


def answers(server: Server) -> bool:
    return httpx.get(f"{server.url}/api/v1/categories").status_code == 200


def test_a_killed_worker_is_replaced_and_metrics_count_for_all(server: Server) -> None:
    for _ in range(20):  # a connection each, so that both workers get some
        assert answers(server)
    victim = server.workers()[0]
    victim.kill()
    wait_for(lambda: len(server.workers()) == 2 and victim.pid not in {worker.pid for worker in server.workers()})
    assert wait_for(lambda: answers(server))
    text = httpx.get(f"{server.url}/metrics").text
    name = 'lakefront_http_request_seconds_count{method="GET",route="/api/v1/categories",status="200"}'
    counted = next(line for line in text.splitlines() if line.startswith(name))
    assert float(counted.rpartition(" ")[2]) >= 20


def test_no_worker_outlives_a_killed_server(server: Server) -> None:
    workers = server.workers()
    server.process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


def test_it_stops_when_asked(server: Server) -> None:
    workers = server.workers()
    server.process.terminate()
    assert server.process.wait(15) == 0
    _, alive = psutil.wait_procs(workers, timeout=2)
    assert alive == []


async def order_in(shop: aiohttp.ClientSession, internal: dict[str, str]) -> tuple[str, dict[str, str]]:
    """A confirmed order of a guest, and the guest's headers."""
    product = {"sku": f"SKU-{new_id()}", "title": "Watched", "category": "tests", "price": "5.00", "stock": {"main": 3}}
    async with shop.post("/api/v1/products", json={"products": [product]}, headers=internal) as answer:
        product_id = (await answer.json())["items"][0]["product_id"]
    guest = {"X-Session-Id": f"session-{new_id()}"}
    body = {
        "items": [{"product_id": product_id, "quantity": 1}],
        "shipping_address": {"street": "1 Way", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"},
        "payment_method": "tok_visa",
    }
    async with shop.post("/api/v1/orders", json=body, headers=guest) as answer:
        assert answer.status == 201, await answer.text()
        return (await answer.json())["order_id"], guest


async def test_an_order_is_watched_by_web_socket_and_by_events_from_any_worker(server: Server) -> None:
    internal = {"X-Internal-Key": load_secrets(server.home).internal_key}
    async with aiohttp.ClientSession(server.url) as shop:
        order_id, guest = await order_in(shop, internal)
        path = f"/api/v1/orders/{order_id}"
        browser = ("lakefront.orders", f"session.{guest['X-Session-Id']}")
        async with (
            shop.ws_connect(f"{path}/live", protocols=browser) as socket,
            shop.get(f"{path}/updates", headers=guest) as events,
        ):
            assert socket.protocol == "lakefront.orders"
            heard = [(await socket.receive_json(timeout=10))["status"] for _ in range(2)]
            async with shop.put(f"{path}/cancel", headers=guest) as answer:
                assert answer.status == 200
            heard.append((await socket.receive_json(timeout=10))["status"])
            assert heard == ["pending", "confirmed", "cancelled"]
            assert (await socket.receive(timeout=10)).type == aiohttp.WSMsgType.CLOSE
            stream = (await asyncio.wait_for(events.read(), 10)).decode()
        assert [line for line in stream.splitlines() if line.startswith("id:")] == ["id: 1", "id: 2", "id: 3"]
        async with shop.ws_connect(f"{path}/live", headers={"X-Session-Id": "somebody-else"}) as socket:
            closed = await socket.receive(timeout=10)
            assert (closed.data, closed.extra) == (4404, "order_not_found")
        async with shop.put(f"{path}/status", json={"status": "shipped"}, headers=internal) as answer:
            assert answer.status == 409


async def test_who_watches_an_order_is_let_go_when_the_server_stops(server: Server) -> None:
    internal = {"X-Internal-Key": load_secrets(server.home).internal_key}
    async with aiohttp.ClientSession(server.url) as shop:
        order_id, guest = await order_in(shop, internal)
        path = f"/api/v1/orders/{order_id}"
        async with (
            shop.ws_connect(f"{path}/live", headers=guest) as socket,
            shop.get(f"{path}/updates", headers=guest) as events,
        ):
            for _ in range(2):
                await socket.receive_json(timeout=10)
            while "id: 2" not in (await asyncio.wait_for(events.content.readline(), 10)).decode():
                pass
            server.process.terminate()
            await asyncio.wait_for(events.read(), 10)  # raises unless the answer was ended properly
            closed = await socket.receive(timeout=10)
        assert (closed.data, closed.extra) == (1012, "service_restart")
    assert server.process.wait(15) == 0
