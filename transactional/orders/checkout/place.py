"""The checkout's first commit: order, reservation, payment and saga, in one statement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import orjson

from lakefront.clock import iso
from lakefront.contracts.commerce import OrderLine, OrderPlaced, StockChanged
from lakefront.ids import new_id
from lakefront.money import money_text
from lakefront.secrets import keyed_hash
from lakefront.telemetry import correlation_id
from transactional.inventory.events import SOURCE as INVENTORY
from transactional.inventory.service import HARD_RESERVATION
from transactional.orders.checkout import store
from transactional.orders.checkout.quote import Asked, scope_of
from transactional.orders.checkout.saga import Context, Saga, lease_end
from transactional.orders.checkout.totals import Line, Quote
from transactional.orders.events import SOURCE
from transactional.orders.history import PERSONAL
from transactional.orders.schemas import OrderRequest
from transactional.payments.methods import Method, method_of
from transactional.payments.router import choose
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.network import country_of
from transactional.platform.outbox import Fact, OutboxRow, outbox_rows
from transactional.platform.query import document, value

OWNER = new_id()
"""This process, as the owner of its checkouts."""
NO_RISK_KNOWN = 0.0
"""The first commit names the gateway that will be asked unless the risk, which is assessed later, says otherwise."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Who pays with what from where: the hashes and facts that fraud detection may see."""

    device: str | None
    card: str
    address: str | None
    payment_kind: str
    network_country: str | None
    shipping_country: str | None
    account_age_days: float | None


def payment_kind(token: str, method_type: Method | None = None) -> str:
    """Kind of a payment method as events name it: who buys now and pays later pays an invoice."""
    method = method_type or method_of(token)
    return "invoice" if method == "buy_now_pay_later" else method


def parties_of(
    caller: Caller, method: str, shipping_country: str | None, now: datetime, method_type: Method | None = None
) -> Parties:
    """What is known of the parties of an order."""
    opened = caller.account_created_at
    return Parties(
        device=keyed_hash("device", caller.device) if caller.device else None,
        card=keyed_hash("card", method),
        address=keyed_hash("address", caller.address) if caller.address else None,
        payment_kind=payment_kind(method, method_type),
        network_country=country_of(caller.address),
        shipping_country=shipping_country or caller.country,
        account_age_days=max((now - opened) / timedelta(days=1), 0.0) if opened else None,
    )


def request_hash(request: OrderRequest) -> bytes:
    """Equal for equal requests: the fingerprint of the whole body. What is as it is by default is left out, so that a
    field that comes later makes no old request another one."""
    body = request.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


async def place(
    core: Core,
    connection: Connection,
    caller: Caller,
    request: OrderRequest,
    asked: Asked,
    quoted: Quote,
    key: str | None,
) -> Saga | None:
    """Write the order with its reservation; None, and nothing written, where the quote no longer holds or the key is
    known."""
    now = core.clock.now()
    country = request.shipping_address.country
    parties = parties_of(caller, request.payment_method, country, now, request.payment_method_type)
    context = _context(caller, request, quoted, parties)
    context["gateway"] = (await choose(core, context, NO_RISK_KNOWN))["gateway"]
    saga = Saga(new_id(), new_id(), 1, "assessing", context)
    placed = Fact(_placed(saga, caller, quoted, parties), sequence=1, occurred_at=now, source=SOURCE)
    told, *stock = outbox_rows([placed, *_stock_templates(quoted, now)], core.settings.bus_partitions)
    order = {
        "cart_id": asked.cart_id,
        "cart_version": asked.cart_version,
        "scope": scope_of(caller),
        "idempotency_key": key,
        "request_hash": request_hash(request),
        "user_id": caller.user_id,
        "session": caller.session,
        "method_token": request.payment_method,
        "shipping_address": request.shipping_address.model_dump(),
        "billing_address": (request.billing_address or request.shipping_address).model_dump(),
        "fact": placed.data.event_type,
        "fact_data": told.data,
        "partition": told.partition,
        "envelope": told.envelope,
        "now": now,
        "expires_at": now + HARD_RESERVATION,
        **_saga_document(saga),
        **_order_document(quoted, saga.context["charges"]),
    }
    parameters = {
        "order": document(order),
        "lines": document([_line_document(*line) for line in zip(count(1), quoted.lines, stock, strict=False)]),
        "number_of_lines": len(quoted.lines),
    }
    return saga if await value(connection, store.PLACE, parameters) else None


def _saga_document(saga: Saga) -> dict[str, Any]:
    return {
        "checkout_id": saga.id,
        "order_id": saga.order_id,
        "owner": OWNER,
        "lease_until": lease_end(),
        "context": saga.context,
        "payment_id": saga.context["payment_id"],
        "gateway": saga.context["gateway"],
        "device": saga.context["device"],
        "card": saga.context["card"],
        "address": saga.context["address"],
    }


def _order_document(quoted: Quote, charges: dict[str, str]) -> dict[str, Any]:
    return {
        **charges,
        "currency": quoted.currency,
        "total": quoted.total,
        "stored_value": quoted.stored_value,
        "due": quoted.due,
        "shipping_method": quoted.option.code,
        "estimated_delivery": quoted.option.estimated_delivery,
        "personal": PERSONAL,
    }


def _line_document(number: int, line: Line, stock: OutboxRow) -> dict[str, Any]:
    return {
        "line_number": number,
        "product_id": line.product_id,
        "sku": line.sku,
        "title": line.title,
        "warehouse": line.warehouse,
        "quantity": line.quantity,
        "listed_price": line.listed_price,
        "unit_price": line.unit_price,
        "discount": line.discount,
        "total": line.total,
        "new_reservation_id": new_id(),
        "stock_partition": stock.partition,
        "stock_envelope": orjson.Fragment(stock.envelope),
    }


def _context(caller: Caller, request: OrderRequest, quoted: Quote, parties: Parties) -> Context:
    return Context(
        user=str(caller.user) if caller.user else None,
        session=caller.session,
        method=request.payment_method,
        method_type=request.payment_method_type,
        payment_id=str(new_id()),
        gateway="",
        payment_kind=parties.payment_kind,
        device=parties.device,
        card=parties.card,
        address=parties.address,
        email_domain=caller.email_domain,
        account_age_days=parties.account_age_days,
        shipping_country=parties.shipping_country,
        network_country=parties.network_country,
        currency=quoted.currency,
        total=money_text(quoted.total, quoted.currency),
        units=sum(line.quantity for line in quoted.lines),
        order_version=1,
        items=[_item(quoted, number) for number in range(len(quoted.lines))],
        action=None,
        unknown_since=None,
        correlation_id=correlation_id.get(),
        charges=quoted.charges(),
        coupon=quoted.coupon is not None,
        due=money_text(quoted.due, quoted.currency),
        listed=(money_text(*quoted.listed), quoted.listed[1]) if quoted.listed else None,
        stored_value=bool(quoted.draws),
        shipping_method=quoted.option.code,
        shipping_region=request.destination()[1],
        estimated_delivery=iso(quoted.option.estimated_delivery),
    )


def _item(quoted: Quote, number: int) -> dict[str, Any]:
    line = quoted.lines[number]
    return {
        "product_id": str(line.product_id),
        "sku": line.sku,
        "title": line.title,
        "quantity": line.quantity,
        "unit_price": money_text(line.unit_price, quoted.currency),
        "discount": money_text(line.discount, quoted.currency),
        "total": money_text(line.total, quoted.currency),
    }


def _placed(saga: Saga, caller: Caller, quoted: Quote, parties: Parties) -> OrderPlaced:
    return OrderPlaced(
        order_id=saga.order_id,
        user=caller.user,
        session=caller.session,
        currency=quoted.currency,
        total=quoted.total,
        lines=[
            OrderLine(
                product_id=line.product_id,
                sku=line.sku,
                category_path=line.category_path,
                quantity=line.quantity,
                unit_price=line.unit_price,
                total=line.total,
                discount=line.discount or None,
            )
            for line in quoted.lines
        ],
        payment_kind=parties.payment_kind,
        account_age_days=parties.account_age_days,
        device=parties.device,
        card=parties.card,
        address=parties.address,
        shipping_country=parties.shipping_country,
        network_country=parties.network_country,
        email_domain=caller.email_domain,
        discount=quoted.discount or None,
        shipping=quoted.shipping or None,
        tax=quoted.tax or None,
        tax_included=quoted.taxes.included or None,
        duties=quoted.duties or None,
        shipping_method=quoted.option.code,
        stored_value=quoted.stored_value or None,
        listed_total=quoted.listed[0] if quoted.listed else None,
        listed_currency=quoted.listed[1] if quoted.listed else None,
    )


def _stock_templates(quoted: Quote, now: datetime) -> list[Fact]:
    """Events of the stock's changes; what is available and the sequence are filled in by the statement that takes the
    stock."""
    return [
        Fact(
            StockChanged(
                stock_key=f"{line.sku}:{line.warehouse}",
                sku=line.sku,
                product_id=line.product_id,
                warehouse=line.warehouse,
                available=0,
                change=-line.quantity,
                reason="reservation",
            ),
            sequence=0,
            occurred_at=now,
            source=INVENTORY,
        )
        for line in quoted.lines
    ]
