"""The rules of prices: bulk changes and proposals within the limit, approval by people, and the audit."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from lakefront.clock import iso
from lakefront.ids import new_id
from lakefront.money import decimals, money_text, rounded
from transactional.platform.amounts import fits
from transactional.platform.audit import note, products_named
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.outbox import tell
from transactional.platform.query import Row, first, jsonb, rows
from transactional.pricing import store
from transactional.pricing.changes import NewPrice, lock_products, set_prices
from transactional.pricing.events import currency_price_changed
from transactional.pricing.rules import change, factor_within_limit, price_for, within_limit
from transactional.pricing.schemas import NewProposal, PriceChange


class BeyondLimit(Problem):
    """A price would differ from its base by more than the policy allows."""

    def __init__(self, product_ids: Iterable[UUID], limit: float) -> None:
        named = [str(product_id) for product_id in product_ids]
        super().__init__(
            422,
            "price_beyond_limit",
            "A price may not differ that much from its base price",
            f"The limit is {limit:.0%}; beyond it: {', '.join(named)}.",
            product_ids=named,
        )


def _unique(product_ids: list[UUID]) -> None:
    if len(set(product_ids)) != len(product_ids):
        raise Problem(422, "product_named_twice", "A request may name each product once")


async def change_prices(core: Core, actor: str, asked: list[PriceChange]) -> list[dict[str, Any]]:
    """Set many prices at once, all or none. Raises BeyondLimit, UnknownProducts."""
    limit = core.settings.price_change_limit
    _unique([one.product_id for one in asked])
    if beyond := [
        one.product_id for one in asked if one.factor is not None and not factor_within_limit(one.factor, limit)
    ]:
        raise BeyondLimit(beyond, limit)
    async with core.db.transaction() as connection:
        products = await lock_products(connection, [one.product_id for one in asked])
        new = [_new_price(products[one.product_id], one, limit) for one in asked]
        if beyond := [
            one.product["id"] for one in new if not within_limit(one.product["base_price"], one.price, limit)
        ]:
            raise BeyondLimit(beyond, limit)
        await set_prices(connection, new, actor, core.clock.now())
        await _note_prices(connection, actor, new)
    return [
        {
            "product_id": one.product["id"],
            "price": money_text(one.price, one.product["currency"]),
            "factor": one.factor,
            "currency": one.product["currency"],
        }
        for one in new
    ]


async def _note_prices(connection: Connection, actor: str, new: list[NewPrice]) -> None:
    """One entry for all; from what to what each price went, its history says."""
    if new:
        reasons = sorted({one.reason for one in new})
        subject = products_named([one.product["id"] for one in new])
        await note(connection, actor, "prices_changed", subject, products=len(new), reasons=reasons)


def _new_price(product: Row, asked: PriceChange, limit: float) -> NewPrice:
    currency = product["currency"]
    if asked.base_price is not None:
        if not fits(asked.base_price, currency):
            detail = f"{currency} has {decimals(currency)} decimals."
            raise Problem(422, "too_many_decimals", "This cannot be paid in its currency", detail)
        product = product | {"base_price": asked.base_price}
    base: Decimal = product["base_price"]
    if asked.price is None and asked.factor is None:
        return NewPrice(product, rounded(base, currency), 1.0, asked.reason)
    if asked.factor is not None:
        return NewPrice(product, price_for(base, asked.factor, currency, limit), asked.factor, asked.reason)
    assert asked.price is not None, "the request's schema asks for one of them"
    price = rounded(asked.price, currency)
    return NewPrice(product, price, float(price / base) if base else 1.0, asked.reason)


async def add_proposals(core: Core, actor: str, model_version: str, asked: list[NewProposal]) -> list[dict[str, Any]]:
    """Take a model's proposals; pending ones of the same products are superseded, and small changes approved at
    once."""
    limit = core.settings.price_change_limit
    _unique([one.product_id for one in asked])
    if beyond := [one.product_id for one in asked if not factor_within_limit(one.factor, limit)]:
        raise BeyondLimit(beyond, limit)
    now = core.clock.now()
    async with core.db.transaction() as connection:
        products = await lock_products(connection, [one.product_id for one in asked])
        proposals = [_proposal(core, products[one.product_id], one) for one in asked]
        await connection.execute(store.SUPERSEDE, {"product_ids": list(products), "now": now, "actor": actor})
        await connection.execute(
            store.ADD_PROPOSALS, {**_columns(proposals), "model_version": model_version, "now": now}
        )
        approved = [
            NewPrice(p["product"], p["proposed_price"], p["factor"], "proposal", p["id"], model_version)
            for p in proposals
            if p["status"] == "approved"
        ]
        await set_prices(connection, approved, "policy", now)
        await _note_prices(connection, "policy", approved)
    return [
        {
            "proposal_id": p["id"],
            "product_id": p["product"]["id"],
            "status": p["status"],
            "factor": p["factor"],
            "proposed_price": money_text(p["proposed_price"], p["product"]["currency"]),
        }
        for p in proposals
    ]


def _proposal(core: Core, product: Row, asked: NewProposal) -> dict[str, Any]:
    limit = core.settings.price_change_limit
    proposed = price_for(product["base_price"], asked.factor, product["currency"], limit)
    small = change(product["price"], proposed) <= core.settings.price_auto_approve_limit
    return {
        "id": new_id(),
        "product": product,
        "factor": asked.factor,
        "proposed_price": proposed,
        "reasons": asked.reasons,
        "status": "approved" if small else "pending",
    }


def _columns(proposals: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "ids": [p["id"] for p in proposals],
        "product_ids": [p["product"]["id"] for p in proposals],
        "factors": [p["factor"] for p in proposals],
        "current_prices": [p["product"]["price"] for p in proposals],
        "proposed_prices": [p["proposed_price"] for p in proposals],
        "reasons": [jsonb(p["reasons"]) for p in proposals],
        "statuses": [p["status"] for p in proposals],
    }


async def decide(core: Core, actor: str, proposal_id: UUID, approve: bool) -> dict[str, Any]:
    """A person approves or rejects a pending proposal; approved, the price in the shop changes at once."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        known = await first(connection, store.PRODUCT_OF_PROPOSAL, {"proposal_id": proposal_id})
        if known is None:
            raise not_found("proposal", proposal_id)
        # The product first, then its proposal: the order of locks that new proposals keep too.
        product = (await lock_products(connection, [known["product_id"]]))[known["product_id"]]
        proposal = await first(connection, store.LOCK_PROPOSAL, {"proposal_id": proposal_id})
        assert proposal is not None, "proposals are never deleted"
        if proposal["status"] != "pending":
            raise Problem(409, "proposal_decided", "This proposal is not pending", f"It is {proposal['status']}.")
        status = "approved" if approve else "rejected"
        await connection.execute(
            store.DECIDE, {"proposal_id": proposal_id, "status": status, "now": now, "actor": actor}
        )
        answer = {"proposal_id": proposal_id, "product_id": product["id"], "status": status}
        if approve:
            limit = core.settings.price_change_limit
            price = price_for(product["base_price"], proposal["factor"], product["currency"], limit)
            new = NewPrice(product, price, proposal["factor"], "proposal", proposal_id, proposal["model_version"])
            await set_prices(connection, [new], actor, now)
            answer |= {"price": money_text(price, product["currency"]), "currency": product["currency"]}
        await note(connection, actor, f"price_proposal_{status}", product["id"], proposal_id=str(proposal_id))
    return answer


async def proposals(core: Core, status: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """Proposals, newest first, page by page."""
    before, before_id = _read_cursor(cursor)
    parameters = {"status": status, "before": before, "before_id": before_id, "limit": limit + 1}
    async with core.db.connection() as connection:
        found = await rows(connection, store.PROPOSALS, parameters)
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    return {
        "items": [_shown(row) for row in page],
        "next_cursor": _cursor(iso(last["created_at"]), str(last["id"])) if last else None,
    }


def _shown(row: Row) -> dict[str, Any]:
    money = ("base_price", "price_now", "current_price", "proposed_price")
    shown = {name: value for name, value in row.items() if name != "id"}
    return shown | {"proposal_id": row["id"]} | {name: money_text(row[name], row["currency"]) for name in money}


async def history(core: Core, product_id: UUID, limit: int, cursor: str | None) -> dict[str, Any]:
    """All prices that a product had, newest first."""
    below = int(cursor) if cursor and cursor.isdecimal() else None
    if cursor is not None and below is None:
        raise Problem(422, "invalid_cursor", "This is no cursor of this list")
    async with core.db.connection() as connection:
        found = await rows(connection, store.HISTORY, {"product_id": product_id, "below": below, "limit": limit + 1})
        if not found and not await first(connection, store.PRODUCT_EXISTS, {"product_id": product_id}):
            raise not_found("product", product_id)
    page = found[:limit]
    return {
        "items": [
            {
                **row,
                "base_price": money_text(row["base_price"], row["currency"]),
                "price": money_text(row["price"], row["currency"]),
            }
            for row in page
        ],
        "next_cursor": str(page[-1]["version"]) if len(found) > limit else None,
    }


async def set_currency_price(core: Core, actor: str, product_id: UUID, currency: str, price: Decimal) -> dict[str, Any]:
    """Set what a product costs in another currency than its own; it is not converted then."""
    if not fits(price, currency):
        detail = f"{currency} has {decimals(currency)} decimals."
        raise Problem(422, "too_many_decimals", "This cannot be paid in its currency", detail)
    now = core.clock.now()
    parameters = {"product_id": product_id, "currency": currency, "price": price, "actor": actor, "now": now}
    async with core.db.transaction() as connection:
        product = await first(connection, store.LOCK_PRODUCT, parameters)
        if product is None:
            raise not_found("product", product_id)
        if product["currency"] == currency:
            raise Problem(
                409, "own_currency", "This is the product's own currency", "Use POST /api/v1/pricing/changes."
            )
        await connection.execute(store.SET_CURRENCY_PRICE, parameters)
        await tell(connection, [currency_price_changed(product, currency, price, now)])
        set_to = money_text(price, currency)
        await note(connection, actor, "currency_price_set", product_id, currency=currency, price=set_to)
    return {"product_id": product_id, "currency": currency, "price": money_text(price, currency)}


async def remove_currency_price(core: Core, actor: str, product_id: UUID, currency: str) -> None:
    """From now on the product's own price is converted. Removing it twice changes nothing."""
    now = core.clock.now()
    parameters = {"product_id": product_id, "currency": currency, "now": now}
    async with core.db.transaction() as connection:
        product = await first(connection, store.LOCK_PRODUCT, parameters)
        if product is not None and await first(connection, store.REMOVE_CURRENCY_PRICE, parameters):
            await tell(connection, [currency_price_changed(product, currency, None, now)])
            await note(connection, actor, "currency_price_removed", product_id, currency=currency)


def _cursor(*parts: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode()


def _read_cursor(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    if cursor is None:
        return None, None
    try:
        moment, identity = orjson.loads(base64.urlsafe_b64decode(cursor))
        return datetime.fromisoformat(moment), UUID(identity)
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise Problem(422, "invalid_cursor", "This is no cursor of this list") from error
