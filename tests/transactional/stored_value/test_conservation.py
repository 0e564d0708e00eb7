"""Whatever becomes of orders with coupons and gift cards, in whatever order: uses, balances, holds and totals add up."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakefront.ids import new_id
from transactional.orders.checkout.service import recover
from transactional.payments.gateways.sandbox.gateway import SandboxGateway
from transactional.stored_value import service

ORDER = st.tuples(
    st.just("order"),
    st.integers(1, 4),
    st.sampled_from(["tok_visa", "tok_decline_x", "tok_timeout_x", "tok_late_x"]),
    st.sampled_from(["allow", "allow", "review", "decline"]),
    st.booleans(),
    st.booleans(),
)
LATER = st.tuples(
    st.sampled_from(["cancel", "accept", "refuse", "pay", "refund", "operate", "recover"]), st.integers(0, 9)
)
LIFE = st.lists(st.one_of(ORDER, LATER), min_size=4, max_size=12)
ISSUED, USES = Decimal("25.00"), 2


class Life:
    """One gift card and one coupon, used for whatever orders come."""

    def __init__(self, shop, internal, product) -> None:
        self.shop, self.internal, self.product = shop, internal, product
        self.headers = {"X-Session-Id": f"session-{new_id()}"}
        self.orders: list[str] = []

    async def begin(self) -> None:
        card = {"amount": str(ISSUED), "currency": "USD"}
        answer = await self.shop.client.post("/api/v1/gift-cards", json=card, headers=self.internal)
        self.card = answer.json()
        self.coupon = f"C-{new_id().hex[-12:].upper()}"
        coupon = {"code": self.coupon, "kind": "percentage", "value": "33.3", "max_uses": USES}
        await self.shop.client.post("/api/v1/promotions/coupons", json=coupon, headers=self.internal)

    async def act(self, step: tuple) -> None:
        if step[0] == "order":
            await self.order(*step[1:])
        elif step[0] == "operate":
            await self.shop.operate()
        elif step[0] == "recover":
            await self.recover()
        elif self.orders:
            await self.later(step[0], self.orders[step[1] % len(self.orders)])

    async def order(self, quantity: int, token: str, action: str, with_coupon: bool, with_card: bool) -> None:
        self.shop.judge(action)
        fields = {"coupon_code": self.coupon} if with_coupon else {}
        fields |= {"gift_card_codes": [self.card["code"]]} if with_card else {}
        answer = await self.shop.order(self.headers, self.product, quantity, token, **fields)
        assert answer.status_code < 500, answer.text
        if "order_id" in answer.json():
            self.orders.append(answer.json()["order_id"])

    async def later(self, what: str, order_id: str) -> None:
        post, put, client = "POST", "PUT", self.shop.client
        payment_id = (await self.shop.payment(order_id))["id"]
        method, path, headers, body = {
            "cancel": (put, f"orders/{order_id}/cancel", self.headers, None),
            "accept": (post, f"orders/{order_id}/review", self.internal, {"accept": True}),
            "refuse": (post, f"orders/{order_id}/review", self.internal, {"accept": False}),
            "pay": (post, "payments/process", self.headers, {"order_id": order_id, "payment_method": "tok_visa"}),
            "refund": (post, "payments/refund", self.internal, {"payment_id": payment_id}),
        }[what]
        answer = await client.request(method, f"/api/v1/{path}", json=body, headers=headers)
        assert answer.status_code < 500, answer.text

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


async def test_coupons_and_gift_cards_add_up(shop, create_product, internal):
    """One event loop for all examples: hypothesis draws the lives, the loop of the test acts them out."""
    lives: list[list[tuple]] = []

    @settings(max_examples=15, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(LIFE)
    def draw(life):
        lives.append(life)

    draw()
    for steps in lives:
        shop.use_gateway(SandboxGateway(shop.core.db, late_seconds=0.02), call_seconds=0.3, calls_at_once=8)
        number = new_id().int
        shop.client._transport.client = (
            f"10.{number % 251}.{number % 241}.{number % 239}",
            40_000,
        )  # a limit of its own
        life = Life(shop, internal, await create_product(price="5.01", stock={"main": 60}))
        await life.begin()
        for step in steps:
            await life.act(step)
        await life.end()
        try:
            await life.check()
        except AssertionError as broken:
            raise AssertionError(f"does not add up after {steps}") from broken
