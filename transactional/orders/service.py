"""Orders after their checkout: reading, cancelling, deciding a review, fulfilment and tracking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from lakefront.contracts.commerce import OrderStatus
from lakefront.money import money_text
from transactional.inventory import service as inventory
from transactional.orders import projection, store
from transactional.orders.access import check_owner, is_own
from transactional.orders.errors import NotInThisStatus, NotPaid, StillRunning
from transactional.orders.history import BrokenHistory
from transactional.orders.moves import OrderMoved, move
from transactional.orders.states import CANCELLABLE, MOVES
from transactional.payments import changes
from transactional.platform.audit import note
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import Row, first, rows
from transactional.promotions import service as promotions
from transactional.stored_value import service as stored_value

Then = Callable[[Connection, Row, str | None, datetime], Awaitable[None]]


async def order_of(core: Core, caller: Caller, order_id: UUID) -> dict[str, Any]:
    """An order with its lines and its latest payment."""
    async with core.db.connection() as connection:
        order = await first(connection, store.ORDER, {"order_id": order_id})
    if order is None:
        raise not_found("order", order_id)
    check_owner(caller, order, order_id)
    currency, items = order["currency"], order["items"] or []
    return {
        "order_id": order["id"],
        "status": order["status"],
        "total_amount": money_text(order["total"], currency),
        "charges": _charges(order, items),
        "amount_due": money_text(order["total"] - order["stored_value"], currency),
        "currency": currency,
        "placed_at": order["placed_at"],
        "shipping_method": order["shipping_method"],
        "estimated_delivery": order["estimated_delivery"],
        "tracking_number": order["tracking_number"],
        "payment_id": order["payment_id"],
        "payment_status": order["payment_status"],
        "shipping_address": order["shipping_address"],
        "billing_address": order["billing_address"],
        "items": [
            {
                **line,
                "unit_price": money_text(Decimal(line["unit_price"]), currency),
                "discount": money_text(Decimal(line["discount"]), currency),
                "total": money_text(Decimal(line["total"]), currency),
            }
            for line in items
        ],
    }


async def check_visible(core: Core, caller: Caller, order_id: UUID) -> None:
    """Raise Problem 404 unless the order is there and the caller's."""
    async with core.db.connection() as connection:
        order = await first(connection, store.OWNER, {"order_id": order_id})
    if order is None:
        raise not_found("order", order_id)
    check_owner(caller, order, order_id)


async def history(core: Core, order_id: UUID, sequence: int | None, as_of: datetime | None) -> dict[str, Any]:
    """Every fact of an order, and the order as it was after one of them, or at a moment of business time."""
    async with core.db.connection() as connection:
        facts = await rows(connection, store.HISTORY, {"order_id": order_id})
        if not facts:
            raise not_found("order", order_id)
        try:
            state = await projection.state_of(connection, order_id, sequence=sequence, moment=as_of)
        except BrokenHistory as missing:
            placed, last = facts[0]["occurred_at"].isoformat(), facts[-1]["sequence"]
            detail = f"It was placed at {placed}; its last fact is {last}."
            raise Problem(404, "not_found", "The order was not like that then", detail) from missing
    return {"order_id": order_id, "facts": facts, "state": state.document()}


def _charges(order: Row, items: list[dict[str, Any]]) -> dict[str, str]:
    """The parts of the order's total; the lines' totals are after their share of the discount."""
    parts = {name: order[name] for name in ("discount", "shipping", "tax", "duties", "tax_included")}
    parts["subtotal"] = sum((Decimal(line["total"]) for line in items), order["discount"])
    return {name: money_text(amount, order["currency"]) for name, amount in parts.items()}


async def tracking(core: Core, caller: Caller, order_id: UUID) -> dict[str, Any]:
    """Where an order is, and what happened to it so far, from its history."""
    async with core.db.connection() as connection:
        order = await first(connection, store.ORDER, {"order_id": order_id})
        if order is None:
            raise not_found("order", order_id)
        check_owner(caller, order, order_id)
        history = await rows(connection, store.HISTORY, {"order_id": order_id})
    return {
        "order_id": order_id,
        "status": order["status"],
        "tracking_number": order["tracking_number"],
        "estimated_delivery": order["estimated_delivery"],
        "history": [
            {
                "status": fact["data"].get("status", "pending"),
                "at": fact["occurred_at"],
                "reason": fact["data"].get("reason"),
            }
            for fact in history
        ],
    }


async def cancel(core: Core, caller: Caller, order_id: UUID) -> dict[str, Any]:
    """Cancel an order: its stock is free again, and its payment is voided or refunded. Cancelling twice is once."""

    def allowed(order: Row) -> bool:
        check_owner(caller, order, order_id)
        if order["status"] == "cancelled":
            return False
        if order["status"] == "pending":
            raise StillRunning()
        if order["status"] not in CANCELLABLE:
            raise NotInThisStatus(order_id, order["status"], "cancelled")
        return True

    def reason(order: Row) -> str:
        return "customer_request" if is_own(caller, order) else "merchandiser_request"

    await _change(core, caller, order_id, "cancelled", reason, allowed, _given_back)
    return await _status(core, order_id)


async def decide_review(core: Core, caller: Caller, order_id: UUID, accept: bool) -> dict[str, Any]:
    """A person's decision on a held order: accepted it is confirmed and captured, refused it is voided and released."""

    def allowed(order: Row) -> bool:
        if order["status"] != "review":
            raise NotInThisStatus(order_id, order["status"], "reviewed")
        return True

    if accept:
        await _change(core, caller, order_id, "confirmed", lambda _: "review_accepted", allowed, _accepted(core))
    else:
        await _change(core, caller, order_id, "cancelled", lambda _: "review_refused", allowed, _given_back)
    return await _status(core, order_id)


async def fulfil(core: Core, caller: Caller, order_id: UUID, status: OrderStatus) -> dict[str, Any]:
    """A step of the fulfilment: processing, shipped, delivered. Repeating it changes nothing."""

    def allowed(order: Row) -> bool:
        if order["status"] == status:
            return False
        if status not in MOVES[order["status"]]:
            raise NotInThisStatus(order_id, order["status"], status)
        return True

    async def sent(connection: Connection, _: Row, __: str | None, now: datetime) -> None:
        if status in ("processing", "shipped"):
            await _check_paid(connection, order_id)
        if status == "shipped":
            await changes.ask_capture(connection, order_id, now)
            await inventory.ship(connection, order_id)

    await _change(core, caller, order_id, status, lambda _: None, allowed, sent)
    return await _status(core, order_id)


async def _change(
    core: Core,
    caller: Caller,
    order_id: UUID,
    status: OrderStatus,
    reason_of: Callable[[Row], str | None],
    allowed: Callable[[Row], bool],
    then: Then,
) -> None:
    """Lock the order, move it on if that is allowed, and do what goes with it, in one transaction. Who changes an order that
    is not their own stands in the audit log."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        await rows(connection, store.LOCK_RESERVATIONS, {"order_id": order_id})
        order = await first(connection, store.LOCK, {"order_id": order_id})
        if order is None:
            raise not_found("order", order_id)
        if not allowed(order):
            return
        reason = reason_of(order)
        try:
            await move(
                connection, order_id, order["user"], order["status"], status,
                version=order["version"] + 1, now=now, reason=reason,
            )  # fmt: skip
        except OrderMoved as moved:
            raise AssertionError("the order's row is locked") from moved
        await then(connection, order, reason, now)
        if not is_own(caller, order):
            await note(connection, caller.actor, f"order_{status}", order_id, before=order["status"], reason=reason)


async def _given_back(connection: Connection, order: Row, reason: str | None, now: datetime) -> None:
    order_id = order["id"]
    assert reason is not None, "an order is cancelled for a reason"
    await changes.give_back(connection, order_id, now, reason)
    held = await rows(connection, store.LOCK_RESERVATIONS, {"order_id": order_id})
    await inventory.release(connection, [row["id"] for row in held], now)
    await promotions.release(connection, order_id, now)
    if order["stored_value"]:
        await stored_value.give_back(connection, order_id, now)


def _accepted(core: Core) -> Then:
    """An order that a person accepted is paid like any other: at once or with the shipment, as the policy says."""

    async def then(connection: Connection, order: Row, _: str | None, now: datetime) -> None:
        payment = await changes.latest(connection, order["id"])
        if payment is None or payment["status"] != "authorized":
            raise NotInThisStatus(order["id"], order["status"], "captured")
        if core.settings.capture_policy == "at_once" or not payment["amount"]:
            await changes.ask_capture(connection, order["id"], now)
        if order["stored_value"]:
            await stored_value.capture(connection, order["id"], now)

    return then


async def _check_paid(connection: Connection, order_id: UUID) -> None:
    """Raise NotPaid where the money went back, or is about to. An imported order has no payment here."""
    payment = await changes.latest(connection, order_id)
    if payment is None:
        return
    if payment["status"] not in ("authorized", "captured"):
        raise NotPaid(order_id, payment["status"])
    if payment["captured"] and payment["refunded"] >= payment["captured"]:
        raise NotPaid(order_id, "being refunded")


async def _status(core: Core, order_id: UUID) -> dict[str, Any]:
    async with core.db.connection() as connection:
        order = await first(connection, store.ORDER, {"order_id": order_id})
    assert order is not None, "the order was there a moment ago"
    return {"order_id": order_id, "status": order["status"], "payment_status": order["payment_status"]}
