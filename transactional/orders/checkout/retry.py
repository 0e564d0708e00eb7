"""Paying an order whose payment failed once more: stock is held again, and the same saga runs again with a new
payment."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from lakefront.clock import iso
from lakefront.ids import new_id
from lakefront.telemetry import correlation_id
from transactional.inventory import service as inventory
from transactional.orders.access import check_owner
from transactional.orders.checkout import store
from transactional.orders.checkout.place import NO_RISK_KNOWN, OWNER, Parties, parties_of
from transactional.orders.checkout.saga import Answer, Context, Saga, lease_end
from transactional.orders.checkout.service import run_to_answer
from transactional.orders.checkout.shipping import Destination, shipping_option
from transactional.orders.errors import NotInThisStatus, StillRunning
from transactional.orders.moves import move
from transactional.payments.methods import Method
from transactional.payments.router import choose, router_of
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import not_found
from transactional.platform.query import Row, first, jsonb, rows
from transactional.promotions import service as promotions
from transactional.stored_value import service as stored_value
from transactional.tariffs.snapshot import Tariffs, tariffs_of

PaidWith = tuple[str, Method | None]
"""A payment method's token, and what the customer says that it stands for."""


async def pay(core: Core, caller: Caller, order_id: UUID, method: str, method_type: Method | None = None) -> Answer:
    """Pay an order whose payment failed. Raises StillRunning while a payment is under way, NotInThisStatus once it is
    paid."""
    tariffs = await tariffs_of(core)
    await router_of(core).keep_fresh(core)
    async with core.db.transaction() as connection:
        saga = await _reopen(core, connection, tariffs, caller, order_id, (method, method_type))
    return await run_to_answer(core, saga)


async def _reopen(
    core: Core, connection: Connection, tariffs: Tariffs, caller: Caller, order_id: UUID, paid: PaidWith
) -> Saga:
    order = await first(connection, store.LOCK_FAILED, {"order_id": order_id})
    if order is None:
        raise not_found("order", order_id)
    check_owner(caller, order, order_id)
    if order["outcome"] is None:
        raise StillRunning()
    if order["status"] != "failed" or order["outcome"] != "failed":
        raise NotInThisStatus(order_id, order["status"], "paid")
    now = core.clock.now()
    lines = await rows(connection, store.LINES, {"order_id": order_id})
    wanted = [(line["product_id"], line["quantity"]) for line in lines]
    taken = await inventory.take_for_order(connection, wanted, order_id, now)
    context, parties = _context(caller, order, paid, now)
    context["gateway"] = (await choose(core, context, NO_RISK_KNOWN))["gateway"]
    later = {}
    if arrival := _arrival(tariffs, context, [row["warehouse"] for row in taken], now):
        context["estimated_delivery"] = later["estimated_delivery"] = iso(arrival)
    version = order["version"] + 1
    user = UUID(context["user"]) if context["user"] else None
    reservations = {row["product_id"]: str(row["reservation_id"]) for row in taken}
    changed = [
        {"line_number": line["line_number"], "reservation_id": reservations[line["product_id"]]} for line in lines
    ]
    await move(
        connection, order_id, user, "failed", "pending",
        version=version, now=now, reason="payment_retried", changed=later, lines=changed,
    )  # fmt: skip
    if context.get("coupon"):
        await promotions.redeem_again(connection, order_id, now)
    if context.get("stored_value"):
        await stored_value.hold_again(connection, order_id, now)
    reopened = await first(connection, store.REOPEN, _parameters(order, order_id, context, parties, taken, now))
    assert reopened is not None, "the checkout's row is locked"
    return Saga(order["id"], order_id, reopened["epoch"], "assessing", context)


def _arrival(tariffs: Tariffs, context: Context, warehouses: list[str], now: datetime) -> datetime | None:
    """When the parcels that leave later will arrive; None where the service is not offered any more, as same-day in the
    evening: then what was said stands."""
    destination = Destination(context["shipping_country"], context.get("shipping_region", ""))
    goods = (Decimal(context["total"]), context["currency"])
    chosen = context.get("shipping_method", "standard")
    option = shipping_option(tariffs, chosen, warehouses, destination, goods, now)
    return option.estimated_delivery if option else None


def _context(caller: Caller, order: Row, paid: PaidWith, now: datetime) -> tuple[Context, Parties]:
    before: Context = order["context"]
    method, method_type = paid
    parties = parties_of(caller, method, before["shipping_country"], now, method_type)
    context: Context = {
        **before,
        "method": method,
        "method_type": method_type,
        "payment_id": str(new_id()),
        "gateway": "",
        "payment_kind": parties.payment_kind,
        "device": parties.device,
        "card": parties.card,
        "address": parties.address,
        "network_country": parties.network_country,
        "account_age_days": parties.account_age_days,
        "order_version": order["version"] + 1,
        "action": None,
        "unknown_since": None,
        "failed_over": 0,
        "sent_again": 0,
        "correlation_id": correlation_id.get(),
    }
    return context, parties


def _parameters(
    order: Row, order_id: UUID, context: Context, parties: Parties, taken: list[dict[str, Any]], now: datetime
) -> dict[str, Any]:
    return {
        "context": jsonb(context),
        "owner": OWNER,
        "lease_until": lease_end(),
        "checkout_id": order["id"],
        "epoch": order["epoch"],
        "payment_id": UUID(context["payment_id"]),
        "order_id": order_id,
        "due": order["due"],
        "currency": order["currency"],
        "gateway": context["gateway"],
        "method_token": context["method"],
        "device": parties.device,
        "card": parties.card,
        "address": parties.address,
        "product_ids": [row["product_id"] for row in taken],
        "reservation_ids": [row["reservation_id"] for row in taken],
        "estimated_delivery": context.get("estimated_delivery"),
        "now": now,
    }
