"""Whatever shoppers, gateways, merchandisers and workers do, in whatever order: stock, ledger, orders and money add
up."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakefront.ids import new_id
from transactional.inventory import service as inventory
from transactional.orders.checkout.service import recover
from transactional.orders.states import project
from transactional.payments.gateways.sandbox.gateway import SandboxGateway

TOKENS = ["tok_visa", "tok_decline_x", "tok_timeout_x", "tok_twice_x", "tok_late_x"]
ORDER = st.tuples(
    st.just("order"),
    st.integers(1, 4),
    st.sampled_from(TOKENS),
    st.sampled_from(["allow", "allow", "review", "decline"]),
)
CART = ["put", "put_aside", "buy"]
LATER = st.tuples(
    st.sampled_from(["cancel", "accept", "refuse", "pay", "operate", "recover", "expire", "receive", *CART, "send"]),
    st.integers(0, 9),
)
LIFE = st.lists(st.one_of(ORDER, LATER), min_size=4, max_size=14)


class Life:
    """One product's life, acted out on the real application."""

    def __init__(self, shop, internal, product) -> None:
        self.shop, self.internal, self.product = shop, internal, product
        self.headers = {"X-Session-Id": f"session-{new_id()}"}
        self.received = 6
        self.orders: list[str] = []

    async def act(self, step: tuple) -> None:
        await getattr(self, step[0])(*step[1:])

    async def order(self, quantity: int, token: str, action: str) -> None:
        self.shop.judge(action)
        answer = (await self.shop.order(self.headers, self.product, quantity, token)).json()
        if "order_id" in answer:
            self.orders.append(answer["order_id"])

    async def _post(self, number: int, method: str, path: str, headers: dict, **body) -> None:
        if self.orders:
            order_id = self.orders[number % len(self.orders)]
            body = {key: order_id if value is Ellipsis else value for key, value in body.items()}
            answer = await self.shop.client.request(method, path.format(order_id), json=body or None, headers=headers)
            assert answer.status_code < 500, answer.text

    async def _cart(self, method: str = "GET", path: str = "", **body) -> dict:
        answer = await self.shop.client.request(method, f"/api/v1/cart{path}", json=body or None, headers=self.headers)
        assert answer.status_code < 500, answer.text
        return answer.json()

    async def put(self, number: int) -> None:
        await self._cart("POST", "/items", product_id=self.product["product_id"], quantity=number % 3 + 1)

    async def put_aside(self, number: int) -> None:
        for item in (await self._cart())["items"]:
            await self._cart("POST", f"/items/{item['item_id']}/save-for-later")

    async def buy(self, number: int) -> None:
        """Order the cart; what comes of it goes by the token."""
        self.shop.judge("allow")
        cart = await self._cart()
        if cart["cart_id"] is not None:
            body = {"items": None, "cart_id": cart["cart_id"]}
            token = TOKENS[number % len(TOKENS)]
            answer = (await self.shop.order(self.headers, self.product, 1, token, **body)).json()
            if "order_id" in answer:
                self.orders.append(answer["order_id"])

    async def send(self, number: int) -> None:
        for status in ("processing", "shipped"):
            await self._post(number, "PUT", "/api/v1/orders/{}/status", self.internal, status=status)

    async def cancel(self, number: int) -> None:
        await self._post(number, "PUT", "/api/v1/orders/{}/cancel", self.headers)

    async def accept(self, number: int) -> None:
        await self._post(number, "POST", "/api/v1/orders/{}/review", self.internal, accept=True)

    async def refuse(self, number: int) -> None:
        await self._post(number, "POST", "/api/v1/orders/{}/review", self.internal, accept=False)

    async def pay(self, number: int) -> None:
        await self._post(
            number, "POST", "/api/v1/payments/process", self.headers, order_id=..., payment_method="tok_visa"
        )

    async def operate(self, _: int) -> None:
        await self.shop.operate()

    async def recover(self, _: int) -> None:
        await self.shop.sql("UPDATE checkouts SET lease_until = now() - interval '1 s' WHERE outcome IS NULL")
        await recover(self.shop.core)

    async def expire(self, _: int) -> None:
        await inventory.expire_reservations(self.shop.core)

    async def receive(self, number: int) -> None:
        receipts = [{"product_id": self.product["product_id"], "warehouse": "main", "quantity": number + 1}]
        await self.shop.client.post("/api/v1/inventory/receipts", json={"receipts": receipts}, headers=self.internal)
        self.received += number + 1

    async def end(self) -> None:
        """Let everything that is under way come to its end, with a gateway whose breaker is closed and that has time."""
        self.shop.use_gateway(SandboxGateway(self.shop.core.db, late_seconds=0.02))
        for _ in range(20):
            await self.recover(0)
            open_ones = await self.shop.sql(
                "SELECT 1 FROM checkouts WHERE outcome IS NULL AND order_id = ANY(%s::uuid[])", self.orders
            )
            if not open_ones:
                break
            await asyncio.sleep(0.02)
        for _ in range(20):  # a gateway that was too slow is asked again at once, not after its pause
            await self.shop.operate()
            again = await self.shop.sql(
                "UPDATE payment_operations o SET due_at = now() - interval '1 s' FROM payments p"
                " WHERE p.id = o.payment_id AND o.status = 'due' AND p.order_id = ANY(%s::uuid[]) RETURNING o.id",
                self.orders,
            )
            if not again:
                break

    async def check(self) -> None:
        available = await self.shop.available(self.product)
        held = await self.shop.sql(
            "SELECT coalesce(sum(quantity), 0) FROM reservations WHERE sku = %s AND level NOT IN ('soft', 'released')",
            self.product["sku"],
        )
        in_cart = sum(item["quantity"] for item in (await self._cart())["items"] if item["held_until"])
        softly = await self.shop.sql(
            "SELECT coalesce(sum(quantity), 0) FROM reservations WHERE sku = %s AND level = 'soft'", self.product["sku"]
        )
        assert softly[0][0] == in_cart
        assert available == await self.shop.ledger(self.product)
        assert available + held[0][0] == self.received and available >= 0
        facts = await self.shop.facts(f"{self.product['sku']}:main")
        assert [f["sequence"] for f in facts] == list(range(1, len(facts) + 1))
        assert facts[-1]["data"]["available"] == available == sum(f["data"]["change"] for f in facts)
        for order_id in self.orders:
            await self.check_order(order_id)

    async def check_order(self, order_id: str) -> None:
        status, payment = await self.shop.status(order_id), await self.shop.payment(order_id)
        history = await self.shop.sql(
            "SELECT sequence, fact, data FROM order_history WHERE order_id = %s ORDER BY sequence", order_id
        )
        assert [row[0] for row in history] == list(range(1, len(history) + 1))
        assert project([(fact, data) for _, fact, data in history]) == status
        assert [f["sequence"] for f in await self.shop.facts(order_id)] == [row[0] for row in history]
        reserved = await self.shop.sql(
            "SELECT level FROM reservations WHERE order_id = %s AND level <> 'released'", order_id
        )
        held = {"review": "allocated", "confirmed": "allocated", "processing": "allocated", "shipped": "shipped"}
        assert reserved == ([(held[status],)] if status in held else [])
        charges = await self.shop.charges(order_id)
        assert all(requests == 1 for *_, requests in charges)
        kept = sum((captured - refunded for _, _, captured, refunded, _ in charges), Decimal(0))
        set_aside = [charge for charge in charges if charge[0] == "authorized"]
        match status:
            case "confirmed" | "processing" | "shipped":
                assert payment["status"] == "captured" and kept > 0 and not set_aside
            case "review":
                assert payment["status"] == "authorized" and kept == 0 and len(set_aside) == 1
            case _:
                assert payment["status"] in ("failed", "voided", "refunded") and kept == 0 and not set_aside


def shopper(app, number: int) -> httpx.AsyncClient:
    """A client from an address of its own, so that no life spends another's rate limit."""
    peer = (f"172.{16 + number}.{new_id().int % 250}.{new_id().int % 250}", 40_000)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=peer), base_url="http://shop")


async def test_everything_adds_up(shop, create_product, internal):
    """One event loop for all examples: hypothesis draws the lives, the loop of the test acts them out."""
    shop.use_gateway(SandboxGateway(shop.core.db, late_seconds=0.02), call_seconds=0.05, calls_at_once=8)
    lives: list[list[tuple]] = []

    @settings(max_examples=12, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(LIFE)
    def draw(life):
        lives.append(life)

    draw()
    for number, steps in enumerate(lives):
        gateway = SandboxGateway(shop.core.db, late_seconds=0.02)
        shop.use_gateway(gateway, call_seconds=0.05)  # a fresh breaker for each life
        shop.client = shopper(shop.app, number)
        life = Life(shop, internal, await create_product(price="5.00", stock={"main": 6}))
        for step in steps:
            await life.act(step)
        await life.end()
        try:
            await life.check()
        except AssertionError as broken:
            raise AssertionError(f"does not add up after {steps}") from broken
