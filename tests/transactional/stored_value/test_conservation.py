"""Whatever becomes of orders with coupons and gift cards, in whatever order: uses, balances, holds and totals add up."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from lakefront.ids import new_id
from transactional.orders.checkout.service import recover
from transactional.payments.gateways.sandbox.gateway import SandboxGateway
from transactional.stored_value import service

TOKENS = st.sampled_from(["tok_visa", "tok_decline_x", "tok_timeout_x", "tok_late_x"])
ACTIONS = st.sampled_from(["allow", "allow", "review", "decline"])
ISSUED, USES = Decimal("25.00"), 2


class Life:
    """One gift card and one coupon, used for whatever orders come."""

    def __init__(self, shop, internal) -> None:
        self.shop, self.internal = shop, internal
        self.headers = {"X-Session-Id": f"session-{new_id()}"}
        self.orders: list[str] = []

    async def send(self, method: str, path: str, headers: dict, **body) -> dict:
        answer = await self.shop.client.request(method, f"/api/v1/{path}", json=body or None, headers=headers)
        assert answer.status_code < 500, answer.text
        return answer.json()

    async def begin(self) -> None:
        sku = f"SKU-{new_id().hex}"
        product = {"sku": sku, "title": "Lives", "category": "tests", "price": "5.01", "stock": {"main": 60}}
        self.product = (await self.send("POST", "products", self.internal, products=[product]))["items"][0]
        self.card = await self.send("POST", "gift-cards", self.internal, amount=str(ISSUED), currency="USD")
        self.coupon = f"C-{new_id().hex[-12:].upper()}"
        coupon = {"code": self.coupon, "kind": "percentage", "value": "33.3", "max_uses": USES}
        await self.send("POST", "promotions/coupons", self.internal, **coupon)

    async def order(self, quantity: int, token: str, action: str, with_coupon: bool, with_card: bool) -> str | None:
        """The order's id, None where none came of it."""
        self.shop.judge(action)
        fields = {"coupon_code": self.coupon} if with_coupon else {}
        fields |= {"gift_card_codes": [self.card["code"]]} if with_card else {}
        answer = await self.shop.order(self.headers, self.product, quantity, token, **fields)
        assert answer.status_code < 500, answer.text
        if order_id := answer.json().get("order_id"):
            self.orders.append(order_id)
        return order_id

    async def refund(self, order_id: str) -> None:
        payment_id = (await self.shop.payment(order_id))["id"]
        await self.send("POST", "payments/refund", self.internal, payment_id=payment_id)

    async def recover(self) -> None:
        await self.shop.sql(
            "UPDATE checkouts SET lease_until = now() - interval '1 s' WHERE outcome IS NULL AND order_id = ANY(%s::uuid[])",
            self.orders,
        )
        await recover(self.shop.core)

    async def end(self) -> None:
        for _ in range(40):
            await self.recover()
            if not await self.shop.sql(
                "SELECT 1 FROM checkouts WHERE outcome IS NULL AND order_id = ANY(%s::uuid[])", self.orders
            ):
                break
            await asyncio.sleep(0.02)
        await self.shop.operate()

    async def check_card(self) -> None:
        """What has to hold at any moment."""
        assert await service.ledger_differences(self.shop.core) == []
        ((available, held),) = await self.shop.sql(
            "SELECT available, held FROM stored_values WHERE id = %s", self.card["gift_card_id"]
        )
        assert available >= 0 and held >= 0 and available + held <= ISSUED

    async def check(self) -> None:
        assert await service.ledger_differences(self.shop.core) == []
        ((available, held),) = await self.shop.sql(
            "SELECT available, held FROM stored_values WHERE id = %s", self.card["gift_card_id"]
        )
        spent = uses = 0
        for order_id in self.orders:
            ((status, subtotal, discount, total, stored, coupon, hold),) = await self.shop.sql(
                "SELECT o.status, (SELECT sum(unit_price * quantity) FROM order_lines WHERE order_id = o.id), o.discount,"
                " o.total, o.stored_value, (SELECT released_at IS NULL FROM coupon_redemptions WHERE order_id = o.id),"
                " (SELECT (amount, status) FROM stored_value_holds WHERE order_id = o.id) FROM orders o WHERE id = %s",
                order_id,
            )
            ((amount, payment),) = await self.shop.sql(
                "SELECT amount, status FROM payments WHERE order_id = %s ORDER BY id DESC LIMIT 1", order_id
            )
            assert subtotal - discount == total and total - stored == amount >= 0
            stands = status in ("confirmed", "review")
            assert coupon in ((None,) if not discount else (stands,)), (status, coupon)
            assert (hold is None) == (stored == 0)
            if hold is not None:
                refunded = payment == "refunded"
                expected = "given_back" if not stands or refunded else "held" if status == "review" else "captured"
                assert (Decimal(hold[0]), hold[1]) == (stored, expected), (status, payment)
                spent += stored if expected == "captured" else 0
                held -= stored if expected == "held" else 0
            uses += bool(coupon)
        assert (available, held) == (ISSUED - spent - await self.on_hold(), 0)
        assert await self.shop.sql("SELECT uses FROM coupons WHERE code = %s", self.coupon) == [(uses,)]
        assert uses <= USES

    async def on_hold(self) -> Decimal:
        ((held,),) = await self.shop.sql("SELECT held FROM stored_values WHERE id = %s", self.card["gift_card_id"])
        return held


class StoredValue(RuleBasedStateMachine):
    """Lives that hypothesis makes up of a gift card, a coupon and what is ordered with them."""

    orders = Bundle("orders")
    life: Life | None = None

    @initialize()
    def open(self) -> None:
        self.shop.client = self.from_anywhere()
        gateway = SandboxGateway(self.shop.core.db, late_seconds=0.02)
        self.shop.use_gateway(gateway, call_seconds=0.3, calls_at_once=8)
        life = Life(self.shop, self.internal)
        self.do(life.begin())
        self.life = life

    @rule(
        target=orders,
        quantity=st.integers(1, 4),
        token=TOKENS,
        action=ACTIONS,
        coupon=st.booleans(),
        card=st.booleans(),
    )
    def order(self, quantity: int, token: str, action: str, coupon: bool, card: bool):
        return self.do(self.life.order(quantity, token, action, coupon, card)) or multiple()

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

    @rule(order=orders)
    def refund(self, order: str) -> None:
        self.do(self.life.refund(order))

    @rule()
    def carry_payments_out(self) -> None:
        self.do(self.shop.operate())

    @rule()
    def recover_checkouts(self) -> None:
        self.do(self.life.recover())

    @invariant()
    def the_card_is_never_overdrawn(self) -> None:
        if self.life is not None:
            self.do(self.life.check_card())

    def teardown(self) -> None:
        if self.life is not None:
            self.do(self.life.end())
            self.do(self.life.check())


async def test_coupons_and_gift_cards_add_up(shop, internal, from_anywhere, act_out):
    world = {"shop": shop, "internal": internal, "from_anywhere": staticmethod(from_anywhere)}
    await act_out(StoredValue, max_examples=20, steps=14, **world)
