"""The storefront API for tests: the real application on this worker's own PostgreSQL and Redis, and callers of each kind."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from database import sql
from fastapi import FastAPI
from pydantic import SecretStr

from lakefront.ids import new_id
from lakefront.secrets import secrets

_numbers = itertools.count(1)


@dataclass(frozen=True)
class User:
    """An account made for a test."""

    user_id: str
    email: str
    password: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


_applications: dict[str, FastAPI] = {}
_MOST_APPLICATIONS = 4


def application() -> FastAPI:
    """The application under the present settings. Each test opens it anew, but making it takes a quarter of a second."""
    from lakefront.settings import settings
    from transactional.app import create_app

    chosen = settings()
    key = repr([(name, value.get_secret_value() if isinstance(value, SecretStr) else value) for name, value in chosen])
    if key not in _applications:
        if len(_applications) >= _MOST_APPLICATIONS:
            del _applications[next(iter(_applications))]
        _applications[key] = create_app()
    return _applications[key]


@pytest_asyncio.fixture
async def app(database_url: str, bus_url: str, store_url: str) -> AsyncIterator[FastAPI]:
    """The application with its connections open; ``app.state.core`` is its Core."""
    from transactional.platform.cache import MEMORY

    MEMORY.clear()
    opened = application()
    async with opened.router.lifespan_context(opened):
        yield opened


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, from an address of its own so that no test spends another's rate limit."""
    number = next(_numbers) + int(new_id().int % 60_000) * 1_000
    peer = (f"172.{16 + (number >> 16) % 16}.{(number >> 8) % 256}.{number % 256}", 40_000)
    transport = httpx.ASGITransport(app=app, client=peer)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as made:
        yield made


@pytest.fixture
def internal(app: FastAPI) -> dict[str, str]:
    """Headers of our own processes."""
    return {"X-Internal-Key": secrets().internal_key}


@pytest.fixture
def guest() -> dict[str, str]:
    """Headers of a guest with a session of its own."""
    return {"X-Session-Id": f"session-{new_id()}"[:64]}


@pytest.fixture
def many_logins(settings_with: Callable[..., Any]) -> Iterator[None]:
    """Asked for before the application: its limit of logins lets through what the lock-out is to refuse."""
    with settings_with(LAKEFRONT_LOGIN_LIMIT_PER_MINUTE="1000"):
        yield


@pytest.fixture(scope="session")
def aws() -> Iterator[Any]:
    """AWS's KMS and S3 in a process of this worker (``aws_server.Aws``)."""
    from aws_server import aws_server

    with aws_server() as server:
        yield server


@pytest.fixture
def aws_environment(aws: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """This process, and those that it starts, find that AWS by AWS's own variables."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    return aws


CreateUser = Callable[..., Awaitable[User]]
CreateProduct = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def create_user(client: httpx.AsyncClient) -> CreateUser:
    """``await create_user(email=…, country=…)``: registers through the API."""

    async def create(**fields: Any) -> User:
        password = fields.get("password", "correct horse battery")
        body = {"email": f"user-{new_id().hex}@example.com", "password": password, **fields}
        answer = await client.post("/api/v1/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        found = answer.json()
        return User(found["user_id"], body["email"], password, found["access_token"], found["refresh_token"])

    return create


@pytest.fixture
def create_product(client: httpx.AsyncClient, internal: dict[str, str]) -> CreateProduct:
    """``await create_product(price="9.90", stock={"main": 5})``: lists through the API; answers what was sent and the id."""

    async def create(**fields: Any) -> dict[str, Any]:
        sku = f"SKU-{new_id().hex}"
        product = {"sku": sku, "title": f"Product {sku[-6:]}", "category": "tests/things", "price": "10.00", **fields}
        answer = await client.post("/api/v1/products", json={"products": [product]}, headers=internal)
        assert answer.status_code == 201, answer.text
        return {**product, **answer.json()["items"][0]}

    return create


class Shop:
    """The shop as the tests of the buying path use it: orders through the API, and a look at what stands behind them."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client

    @property
    def core(self) -> Any:
        return self.app.state.core

    def body(
        self, product: dict[str, Any], quantity: int = 1, token: str = "tok_visa", **fields: Any
    ) -> dict[str, Any]:
        """The body of an order of one product."""
        address = {"street": "123 Main St", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"}
        items = [{"product_id": product["product_id"], "quantity": quantity}]
        return {"items": items, "shipping_address": address, "payment_method": token, **fields}

    async def order(
        self,
        headers: dict[str, str],
        product: dict[str, Any],
        quantity: int = 1,
        token: str = "tok_visa",
        **fields: Any,
    ) -> httpx.Response:
        """``POST /orders`` of one product."""
        return await self.client.post(
            "/api/v1/orders", json=self.body(product, quantity, token, **fields), headers=headers
        )

    async def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        return await sql(self.app, statement, *parameters)

    async def facts(self, key: str) -> list[dict[str, Any]]:
        """The envelopes in the outbox that have this key, in the order in which they were written."""
        found = await self.sql("SELECT envelope FROM outbox WHERE envelope::json ->> 'key' = %s ORDER BY id", str(key))
        return [json.loads(envelope) for (envelope,) in found]

    async def available(self, product: dict[str, Any]) -> int:
        """Units that may still be promised."""
        rows = await self.sql("SELECT sum(available) FROM stock WHERE product_id = %s", product["product_id"])
        return int(rows[0][0] or 0)

    async def ledger(self, product: dict[str, Any]) -> int:
        """Sum of the product's stock ledger, which must be its stock."""
        rows = await self.sql("SELECT coalesce(sum(change), 0) FROM stock_ledger WHERE sku = %s", product["sku"])
        return int(rows[0][0])

    async def payment(self, order_id: str) -> dict[str, Any]:
        """The latest payment of an order."""
        statement = "SELECT id, status, captured, refunded FROM payments WHERE order_id = %s ORDER BY id DESC LIMIT 1"
        (row,) = await self.sql(statement, order_id)
        return {"id": str(row[0]), "status": row[1], "captured": row[2], "refunded": row[3]}

    async def status(self, order_id: str) -> str:
        """Status of an order."""
        rows = await self.sql("SELECT status FROM orders WHERE id = %s", order_id)
        return str(rows[0][0])

    async def charges(self, order_id: str) -> list[tuple[Any, ...]]:
        """What the sandbox gateway has in its own books for an order: status, amount, captured, refunded, requests."""
        return await self.sql(
            "SELECT c.status, c.amount, c.captured, c.refunded, c.requests FROM sandbox_gateway.charges c"
            " JOIN payments p ON p.id::text = c.merchant_reference WHERE p.order_id = %s",
            order_id,
        )

    async def operate(self) -> None:
        """Carry out all payment operations that are due."""
        from transactional.payments.operations import carry_out_due

        while await carry_out_due(self.core):
            pass

    async def recover(self, order_id: str) -> None:
        """Let an order's checkout lose its lease, and recover it."""
        from transactional.orders.checkout.service import recover

        await self.sql("UPDATE checkouts SET lease_until = now() - interval '1 s' WHERE order_id = %s", order_id)
        await recover(self.core)

    def judge(self, action: str) -> None:
        """Let every fraud assessment of this application end so."""
        self.app.state.core = dataclasses.replace(self.core, decisions=_Verdict(self.core.decisions, action))

    def use_gateway(self, gateway: Any, **protection: Any) -> None:
        """Use this gateway as the sandbox."""
        from transactional.payments.gateways.protection import ProtectedGateway
        from transactional.payments.gateways.registry import install

        install(self.core, {"sandbox": ProtectedGateway(gateway, **protection)})


class _Verdict:
    """Online decisions whose fraud verdict a test has chosen; the rest is real."""

    def __init__(self, decisions: Any, action: str) -> None:
        self._decisions = decisions
        self._action = action

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decisions, name)

    async def assess_fraud(self, order: Any) -> Any:
        return dataclasses.replace(await self._decisions.assess_fraud(order), action=self._action)


@pytest.fixture
def shop(app: FastAPI, client: httpx.AsyncClient) -> Shop:
    """The buying path (``Shop``)."""
    return Shop(app, client)


@pytest.fixture
def internal_key() -> dict[str, str]:
    """Headers of our own processes, for tests that make an application of their own."""
    return {"X-Internal-Key": secrets().internal_key}


@pytest_asyncio.fixture
async def wide_core(shop: Shop, database_url: str) -> AsyncIterator[Any]:
    """A core with as many connections as there are racers."""
    from transactional.platform.database import Database

    db = await Database.open(database_url, 16)
    yield dataclasses.replace(shop.core, db=db)
    await db.close()


@pytest.fixture
def new_caller() -> Callable[[], Any]:
    """``new_caller()``: another guest each time."""
    from transactional.platform.authentication import Caller

    def make() -> Caller:
        return Caller(None, None, "guest", f"guest-{new_id()}", None, "127.0.0.1", False)

    return make


@pytest.fixture
def outcome_of() -> Callable[[Awaitable[Any]], Awaitable[str]]:
    """``await outcome_of(check_out(…))``: the order's status, or the refusal's code."""
    from transactional.platform.errors import Problem

    async def outcome(checkout: Awaitable[Any]) -> str:
        try:
            answer = await checkout
        except Problem as problem:
            return problem.code
        return str(answer.body.get("status") if answer.status == 201 else answer.body["code"])

    return outcome


@pytest.fixture
def act_out() -> Callable[..., Awaitable[None]]:
    """``await act_out(Machine, max_examples=…, steps=…, shop=shop)``: hypothesis draws and shrinks the lives of a state
    machine in a thread, and the test's own loop acts them out: a rule calls ``self.do(coroutine)``."""
    from hypothesis import HealthCheck, settings
    from hypothesis.stateful import run_state_machine_as_test

    async def run(machine: type, *, max_examples: int, steps: int, **world: Any) -> None:
        loop = asyncio.get_running_loop()

        def do(coroutine: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(120)

        bound = type(machine.__name__, (machine,), {"do": staticmethod(do), **world})
        await asyncio.to_thread(
            run_state_machine_as_test,
            bound,
            settings=settings(
                max_examples=max_examples, stateful_step_count=steps, database=None, deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip

    return run


@pytest.fixture
def from_anywhere(app: FastAPI) -> Callable[[], httpx.AsyncClient]:
    """``from_anywhere()``: a client from an address of its own, so that no life spends another's rate limit."""

    def make() -> httpx.AsyncClient:
        number = new_id().int
        peer = (f"10.{number % 251}.{number % 241}.{number % 239}", 40_000)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=peer), base_url="http://shop")

    return make
