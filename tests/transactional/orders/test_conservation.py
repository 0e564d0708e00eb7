"""Whatever shoppers, gateways, merchandisers and workers do, in whatever order: stock, ledger, orders and money add
up."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, multiple, rule
from lives import ACTIONS, Life, Lives

from transactional.inventory import service as inventory
from transactional.orders.states import project

TOKENS = st.sampled_from(["tok_visa", "tok_decline_x", "tok_timeout_x", "tok_twice_x", "tok_late_x"])
QUANTITIES = st.integers(1, 4)
UNITS = 6


class StockLife(Life):
    """One product's life, with the guest's cart."""

    received = UNITS
    gateway_may_be_away = True

    async def cart(self) -> dict:
        return await self.send("GET", "cart", self.headers)

    async def buy(self, token: str) -> str | None:
        """Order the cart."""
        cart = await self.cart()
        if cart["cart_id"] is None:
            return None
        return await self.order(1, token, "allow", items=None, cart_id=cart["cart_id"])

    async def put_aside(self) -> None:
        for item in (await self.cart())["items"]:
            await self.send("POST", f"cart/items/{item['item_id']}/save-for-later", self.headers)

    async def receive(self, quantity: int) -> None:
        receipts = [{"product_id": self.product["product_id"], "warehouse": "main", "quantity": quantity}]
        await self.send("POST", "inventory/receipts", self.internal, receipts=receipts)
        self.received += quantity

    async def check_stock(self) -> None:
        """What has to hold at any moment."""
        available = await self.shop.available(self.product)
        held = await self.shop.sql(
            "SELECT coalesce(sum(quantity), 0) FROM reservations WHERE sku = %s AND level NOT IN ('soft', 'released')",
            self.product["sku"],
        )
        in_cart = sum(item["quantity"] for item in (await self.cart())["items"] if item["held_until"])
        softly = await self.shop.sql(
            "SELECT coalesce(sum(quantity), 0) FROM reservations WHERE sku = %s AND level = 'soft'", self.product["sku"]
        )
        assert softly[0][0] == in_cart
        assert available == await self.shop.ledger(self.product)
        assert available + held[0][0] == self.received and available >= 0
        facts = await self.shop.facts(f"{self.product['sku']}:main")
        assert [f["sequence"] for f in facts] == list(range(1, len(facts) + 1))
        assert facts[-1]["data"]["available"] == available == sum(f["data"]["change"] for f in facts)

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


class Orders(Lives):
    """Lives that hypothesis makes up of orders and of all that may happen to them."""

    @initialize()
    def open(self) -> None:
        self.use_a_fresh_gateway(call_seconds=0.05)
        life = StockLife(self.shop, self.internal)
        self.do(life.list_product("5.00", UNITS))
        self.life = life

    @rule(target=Lives.orders, quantity=QUANTITIES, token=TOKENS, action=ACTIONS)
    def order(self, quantity: int, token: str, action: str):
        return self.do(self.life.order(quantity, token, action)) or multiple()

    @rule(quantity=QUANTITIES)
    def put_into_the_cart(self, quantity: int) -> None:
        body = {"product_id": self.life.product["product_id"], "quantity": quantity}
        self.do(self.life.send("POST", "cart/items", self.life.headers, **body))

    @rule()
    def save_for_later(self) -> None:
        self.do(self.life.put_aside())

    @rule(target=Lives.orders, token=TOKENS)
    def buy_the_cart(self, token: str):
        return self.do(self.life.buy(token)) or multiple()

    @rule(order=Lives.orders)
    def ship(self, order: str) -> None:
        for status in ("processing", "shipped"):
            self.do(self.life.send("PUT", f"orders/{order}/status", self.internal, status=status))

    @rule()
    def expire_reservations(self) -> None:
        self.do(inventory.expire_reservations(self.shop.core))

    @rule(quantity=QUANTITIES)
    def receive(self, quantity: int) -> None:
        self.do(self.life.receive(quantity))

    @invariant()
    def stock_adds_up(self) -> None:
        if self.life is not None:
            self.do(self.life.check_stock())

    def teardown(self) -> None:
        if self.life is None:
            return
        self.do(self.life.end())
        self.do(self.life.check_stock())
        for order_id in self.life.orders:
            self.do(self.life.check_order(order_id))


async def test_everything_adds_up(shop, internal, from_anywhere, act_out):
    world = {"shop": shop, "internal": internal, "from_anywhere": staticmethod(from_anywhere)}
    await act_out(Orders, max_examples=20, steps=16, **world)
