"""Whatever becomes of orders with coupons and gift cards, in whatever order: uses, balances, holds and totals add up."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, multiple, rule
from lives import ACTIONS, Life, Lives

from lakefront.ids import new_id
from transactional.stored_value import service

TOKENS = st.sampled_from(["tok_visa", "tok_decline_x", "tok_timeout_x", "tok_late_x"])
ISSUED, USES = Decimal("25.00"), 2


class CardLife(Life):
    """One gift card and one coupon, used for whatever orders come."""

    async def begin(self) -> None:
        await self.list_product("5.01", 60)
        self.card = await self.send("POST", "gift-cards", self.internal, amount=str(ISSUED), currency="USD")
        self.coupon = f"C-{new_id().hex[-12:].upper()}"
        coupon = {"code": self.coupon, "kind": "percentage", "value": "33.3", "max_uses": USES}
        await self.send("POST", "promotions/coupons", self.internal, **coupon)

    async def pay_with(self, quantity: int, token: str, action: str, coupon: bool, card: bool) -> str | None:
        fields = {"coupon_code": self.coupon} if coupon else {}
        fields |= {"gift_card_codes": [self.card["code"]]} if card else {}
        return await self.order(quantity, token, action, **fields)

    async def refund(self, order_id: str) -> None:
        payment_id = (await self.shop.payment(order_id))["id"]
        await self.send("POST", "payments/refund", self.internal, payment_id=payment_id)

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


class StoredValue(Lives):
    """Lives that hypothesis makes up of a gift card, a coupon and what is ordered with them."""

    @initialize()
    def open(self) -> None:
        self.use_a_fresh_gateway(call_seconds=0.3)
        life = CardLife(self.shop, self.internal)
        self.do(life.begin())
        self.life = life

    @rule(
        target=Lives.orders,
        quantity=st.integers(1, 4),
        token=TOKENS,
        action=ACTIONS,
        coupon=st.booleans(),
        card=st.booleans(),
    )
    def order(self, quantity: int, token: str, action: str, coupon: bool, card: bool):
        return self.do(self.life.pay_with(quantity, token, action, coupon, card)) or multiple()

    @rule(order=Lives.orders)
    def refund(self, order: str) -> None:
        self.do(self.life.refund(order))

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
