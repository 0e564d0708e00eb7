"""Coupons: made, listed and ended by merchandisers; redeemed and released inside the transactions of the checkout."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from lakefront.clock import iso
from lakefront.ids import new_id
from lakefront.money import money_text
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import Row, first, rows
from transactional.promotions import store
from transactional.promotions.discounts import Coupon, check
from transactional.promotions.errors import CouponNotValid
from transactional.promotions.schemas import NewCoupon


async def usable(connection: Connection, code: str, customer: str, now: datetime) -> Coupon:
    """The coupon of a code, if this customer may redeem it now. Raises CouponNotValid."""
    row = await first(connection, store.COUPON, {"code": code, "customer": customer})
    if row is None:
        raise CouponNotValid("unknown")
    coupon = Coupon.of(row)
    check(coupon, now)
    return coupon


async def redeem(
    connection: Connection, coupon_id: UUID, order_id: UUID, customer: str, discount: Decimal, now: datetime
) -> bool:
    """Use a coupon for an order, in the transaction that writes the order. False where its limits are reached or it
    has ended: roll back then, the next quote says why."""
    parameters = {
        "coupon_id": coupon_id,
        "order_id": order_id,
        "customer": customer,
        "discount": discount,
        "now": now,
    }
    done = await first(connection, store.REDEEM, parameters)
    return bool(done and done["redemptions"])


async def redeem_again(connection: Connection, order_id: UUID, now: datetime) -> None:
    """Use an order's released coupon once more, because its payment is tried again. Raises CouponNotValid."""
    before = await first(connection, store.REDEMPTION, {"order_id": order_id})
    if before is None:
        return
    if not await redeem(connection, before["coupon_id"], order_id, before["customer"], before["discount"], now):
        raise CouponNotValid("used_up")


async def release(connection: Connection, order_id: UUID, now: datetime) -> None:
    """Give an order's coupon back, if it has one; a second time changes nothing."""
    await connection.execute(store.RELEASE, {"order_id": order_id, "now": now})


async def create(core: Core, actor: str, new: NewCoupon) -> dict[str, Any]:
    """Make a coupon. Raises Problem 409 where the code is taken."""
    now = core.clock.now()
    starts_at = new.starts_at or now
    if new.ends_at is not None and new.ends_at <= starts_at:
        raise Problem(422, "invalid_request", "The request does not fit its schema", "ends_at must be in the future")
    parameters = {**new.model_dump(), "starts_at": starts_at, "id": new_id(), "actor": actor, "now": now}
    async with core.db.connection() as connection:
        made = await first(connection, store.ADD, parameters)
    if made is None:
        raise Problem(409, "coupon_code_taken", "There is a coupon with this code", f"{new.code} is taken.")
    return _answer(made)


async def end(core: Core, coupon_id: UUID) -> dict[str, Any]:
    """End a coupon: from now on nobody redeems it. Ending it twice changes nothing."""
    parameters = {"coupon_id": coupon_id, "now": core.clock.now()}
    async with core.db.connection() as connection:
        ended = await first(connection, store.END, parameters) or await first(connection, store.ONE, parameters)
    if ended is None:
        raise not_found("coupon", coupon_id)
    return _answer(ended)


async def coupons(core: Core, limit: int, cursor: str | None) -> dict[str, Any]:
    """All coupons, newest first."""
    before = before_id = None
    if cursor is not None:
        try:
            created_at, coupon_id = decode_cursor(cursor, 2)
            before, before_id = datetime.fromisoformat(created_at), UUID(coupon_id)
        except ValueError:
            raise invalid_cursor() from None
    parameters = {"before": before, "before_id": before_id, "limit": limit + 1}
    async with core.db.connection() as connection:
        found = await rows(connection, store.COUPONS, parameters)
    last = found[limit - 1] if len(found) > limit else None
    return {
        "items": [_answer(row) for row in found[:limit]],
        "next_cursor": encode_cursor(iso(last["created_at"]), str(last["id"])) if last else None,
    }


def _answer(row: Row) -> dict[str, Any]:
    currency, minimum = row["currency"], row["minimum_amount"]
    answer = {name: row[name] for name in CARRIED}
    value = money_text(row["value"], currency) if row["kind"] == "amount" else format(row["value"].normalize(), "f")
    return {
        **answer,
        "coupon_id": row["id"],
        "value": value,
        "minimum_amount": money_text(minimum, currency) if minimum is not None else None,
    }


CARRIED = (
    "code",
    "kind",
    "currency",
    "starts_at",
    "ends_at",
    "max_uses",
    "max_uses_per_customer",
    "uses",
    "created_at",
)
