"""What may happen to any order, for state machines that act on the real application: rules that they have in common."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from lakefront.ids import new_id
from transactional.orders.checkout.service import recover
from transactional.payments.gateways.sandbox.gateway import SandboxGateway

ACTIONS = st.sampled_from(["allow", "allow", "review", "decline"])
UNFINISHED = "SELECT 1 FROM checkouts WHERE outcome IS NULL AND order_id = ANY(%s::uuid[])"
DUE_NOW = """
UPDATE payment_operations o SET due_at = now() - interval '1 s' FROM payments p
 WHERE p.id = o.payment_id AND o.status = 'due' AND p.order_id = ANY(%s::uuid[]) RETURNING o.id
"""


class Life:
    """A guest, one product and the guest's orders."""

    gateway_may_be_away = False
    """Whether a gateway that is given little time may be left alone by its breaker."""

    def __init__(self, shop: Any, internal: dict[str, str]) -> None:
        self.shop, self.internal = shop, internal
        self.headers = {"X-Session-Id": f"session-{new_id()}"}
        self.product: dict[str, Any] = {}
        self.orders: list[str] = []

    async def send(self, method: str, path: str, headers: dict[str, str], **body: Any) -> dict[str, Any]:
        answer = await self.shop.client.request(method, f"/api/v1/{path}", json=body or None, headers=headers)
        assert answer.status_code < 500, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def list_product(self, price: str, units: int) -> None:
        product = {"sku": f"SKU-{new_id().hex}", "title": "Lives", "category": "tests", "price": price}
        listed = await self.send("POST", "products", self.internal, products=[{**product, "stock": {"main": units}}])
        self.product = {**product, **listed["items"][0]}

    async def order(self, quantity: int, token: str, action: str, **body: Any) -> str | None:
        """The order's id, None where none came of it."""
        self.shop.judge(action)
        answer = await self.shop.order(self.headers, self.product, quantity, token, **body)
        is_away = self.gateway_may_be_away and answer.json().get("code") == "payment_unavailable"
        assert answer.status_code < 500 or is_away, answer.text
        order_id: str | None = answer.json().get("order_id")
        if order_id:
            self.orders.append(order_id)
        return order_id

    async def recover(self) -> None:
        await self.shop.sql("UPDATE checkouts SET lease_until = now() - interval '1 s' WHERE outcome IS NULL")
        await recover(self.shop.core)

    async def end(self) -> None:
        """Let everything that is under way come to its end, with a gateway whose breaker is closed and that has time."""
        self.shop.use_gateway(SandboxGateway(self.shop.core.db, late_seconds=0.02))
        for _ in range(40):
            await self.recover()
            if not await self.shop.sql(UNFINISHED, self.orders):
                break
            await asyncio.sleep(0.02)
        for _ in range(20):  # a gateway that was too slow is asked again at once, not after its pause
            await self.shop.operate()
            if not await self.shop.sql(DUE_NOW, self.orders):
                break


class Lives(RuleBasedStateMachine):
    """Orders and what may happen to them. A machine says how orders come to be, and what has to hold.

    ``act_out`` gives it the fixtures ``shop``, ``internal``, ``from_anywhere`` and ``do``, which awaits on the test's loop.
    """

    orders = Bundle("orders")
    life: Any = None
    shop: Any
    internal: dict[str, str]
    from_anywhere: Any
    do: Any

    def use_a_fresh_gateway(self, call_seconds: float) -> None:
        """With a breaker that no other life has opened."""
        self.shop.client = self.from_anywhere()
        gateway = SandboxGateway(self.shop.core.db, late_seconds=0.02)
        self.shop.use_gateway(gateway, call_seconds=call_seconds, calls_at_once=8)

    @rule(order=orders)
    def cancel(self, order: str) -> None:
        self.do(self.life.send("PUT", f"orders/{order}/cancel", self.life.headers))

    @rule(order=orders, accept=st.booleans())
    def review(self, order: str, accept: bool) -> None:
        self.do(self.life.send("POST", f"orders/{order}/review", self.internal, accept=accept))

    @rule(order=orders)
    def pay_again(self, order: str) -> None:
        body = {"order_id": order, "payment_method": "tok_visa"}
        self.do(self.life.send("POST", "payments/process", self.life.headers, **body))

    @rule()
    def carry_payments_out(self) -> None:
        self.do(self.shop.operate())

    @rule()
    def recover_checkouts(self) -> None:
        self.do(self.life.recover())
