"""`POST /orders`: the request's way through the checkout, and the recovery of checkouts that lost their process."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from psycopg import Rollback

from lakefront.clock import real_now
from lakefront.telemetry import correlated
from transactional.inventory.errors import OutOfStock
from transactional.orders.checkout import steps, store
from transactional.orders.checkout.place import OWNER, place, request_hash
from transactional.orders.checkout.quote import Asked, asked_cart, asked_items, destination_of, offered, quote, scope_of
from transactional.orders.checkout.saga import Answer, Saga, Stale, lease_end
from transactional.orders.checkout.totals import Quote
from transactional.orders.errors import KeyReused, StillRunning
from transactional.orders.schemas import OrderRequest, Purchase
from transactional.payments.router import router_of
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem
from transactional.platform.query import first, rows
from transactional.promotions import service as promotions
from transactional.stored_value import service as stored_value
from transactional.tariffs.snapshot import Tariffs, tariffs_of

PLACE_ATTEMPTS = 10
"""A quote may be overtaken before it is written; each attempt quotes anew."""
WAIT_FOR_TWIN_SECONDS = 8.0
log = structlog.get_logger(__name__)


async def check_out(core: Core, caller: Caller, request: OrderRequest, key: str | None) -> Answer:
    """Take an order. Raises the problems of the quote (price_changed, out_of_stock …), which leave nothing behind."""
    if caller.user_id is None and caller.session is None:
        raise Problem(401, "not_authenticated", "An order needs an account or a guest's X-Session-Id")
    for attempt in range(PLACE_ATTEMPTS):
        try:
            saga = await _place(core, caller, request, key)
        except Problem:  # the cart may be empty and the stock gone because an equal request has taken them
            if key is not None and (known := await _by_key(core, caller, key)):
                return await _twin_answer(core, request, known)
            raise
        if saga is not None:
            return await run_to_answer(core, saga)
        if key is not None and (known := await _by_key(core, caller, key)):
            return await _twin_answer(core, request, known)
        await asyncio.sleep(0.002 * attempt)
    raise OutOfStock([])


async def preview(core: Core, caller: Caller, request: Purchase) -> dict[str, Any]:
    """What an order would cost now; nothing is taken, and nothing written."""
    tariffs, now = await tariffs_of(core), core.clock.now()
    async with core.db.connection() as connection:
        _, quoted = await _quote(connection, tariffs, caller, request, now)
    options = offered(tariffs, quoted, destination_of(caller, request), now)
    return {**quoted.answer(), "shipping_options": [option.answer(quoted.currency) for option in options]}


async def _quote(
    connection: Connection, tariffs: Tariffs, caller: Caller, request: Purchase, now: datetime
) -> tuple[Asked, Quote]:
    if request.items is not None:
        asked = await asked_items(connection, request.items)
    else:
        assert request.cart_id is not None, "the request's schema asks for one of both"
        asked = await asked_cart(connection, request.cart_id, caller)
    return asked, await quote(connection, tariffs, caller, asked, request, now)


async def _place(core: Core, caller: Caller, request: OrderRequest, key: str | None) -> Saga | None:
    """Quote and write the order on one connection: in one statement, or where something else is spent with it, in one
    transaction whose last locks are the coupon's and those of stored value."""
    tariffs = await tariffs_of(core)
    await router_of(core).keep_fresh(core)
    async with core.db.connection() as connection:
        asked, quoted = await _quote(connection, tariffs, caller, request, core.clock.now())
        if quoted.coupon is None and not quoted.draws:
            return await place(core, connection, caller, request, asked, quoted, key)
        async with connection.transaction():
            saga = await place(core, connection, caller, request, asked, quoted, key)
            if saga is not None and not await _spend(core, connection, caller, saga, quoted):
                raise Rollback
            return saga
    return None


async def _spend(core: Core, connection: Connection, caller: Caller, saga: Saga, quoted: Quote) -> bool:
    """Take what the quote counts on besides stock; False where somebody else was quicker."""
    now = core.clock.now()
    order_id, coupon = saga.order_id, quoted.coupon
    redeemed = coupon is None or await promotions.redeem(
        connection, coupon.id, order_id, scope_of(caller), quoted.discount, now
    )
    return redeemed and (not quoted.draws or await stored_value.hold(connection, order_id, quoted.draws, now))


async def run_to_answer(core: Core, saga: Saga) -> Answer:
    """Carry a checkout on; where another process has taken it over, wait for the answer that it finds."""
    try:
        return await steps.run(core, saga)
    except Stale:
        log.warning("checkout_taken_over", checkout=str(saga.id))
        return await stored_answer(core, saga.order_id)


async def _by_key(core: Core, caller: Caller, key: str) -> dict[str, Any] | None:
    async with core.db.connection() as connection:
        return await first(connection, store.BY_KEY, {"scope": scope_of(caller), "idempotency_key": key})


async def _twin_answer(core: Core, request: OrderRequest, known: dict[str, Any]) -> Answer:
    """The answer of the equal request that came first; waits for it without holding a connection."""
    if bytes(known["request_hash"]) != request_hash(request):
        raise KeyReused()
    if known["answer"] is not None:
        return Answer(**known["answer"])
    return await stored_answer(core, known["order_id"])


async def stored_answer(core: Core, order_id: UUID) -> Answer:
    """The answer that another process or request finds for an order. Raises StillRunning when that takes too long."""
    deadline = time.monotonic() + WAIT_FOR_TWIN_SECONDS
    pause = 0.02
    while time.monotonic() < deadline:
        async with core.db.connection() as connection:
            found = await first(connection, store.ANSWER, {"order_id": order_id})
        if found and found["answer"] is not None:
            return Answer(**found["answer"])
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    raise StillRunning()


async def recover(core: Core, limit: int = 20) -> int:
    """Take over checkouts whose lease has ended and carry them on. Any number of workers may do so at once."""
    taking = {"owner": OWNER, "lease_until": lease_end(), "real_now": real_now(), "limit": limit}
    async with core.db.connection() as connection:
        taken = await rows(connection, store.TAKE_OVER, taking)
    await asyncio.gather(*(_recover_one(core, row) for row in taken))
    return len(taken)


async def _recover_one(core: Core, row: dict[str, Any]) -> None:
    saga = Saga(row["id"], row["order_id"], row["epoch"], row["step"], row["context"])
    with correlated(saga.context["correlation_id"]):
        try:
            answer = await steps.resume(core, saga)
        except Stale:
            log.info("checkout_taken_over", checkout=str(saga.id))
        except Exception:  # one checkout's failure must not stop the others; its lease ends and it is tried again
            log.exception("checkout_recovery_failed", checkout=str(saga.id), step=saga.step)
        else:
            log.info("checkout_recovered", checkout=str(saga.id), order=str(saga.order_id), status=answer.status)
