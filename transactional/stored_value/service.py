"""Gift cards and store credit: issued by merchandisers; held, captured and given back in the checkout's transactions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import psycopg

from lakefront.ids import new_id
from lakefront.money import money_text
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import Row, first, rows
from transactional.stored_value import store
from transactional.stored_value.draws import Draw, StoredValue, check, code_hash, draw, new_code, shown
from transactional.stored_value.errors import GiftCardNotValid, StoredValueGone
from transactional.stored_value.schemas import NewGiftCard, NewStoreCredit

_CARDS = UUID("01920000-0000-7000-8000-00000000ca4d")
"""Under it stand the references of requests that issue gift cards."""


async def draws(
    connection: Connection,
    codes: Sequence[str],
    credit_of: UUID | None,
    total: Decimal,
    currency: str,
    now: datetime,
) -> list[Draw]:
    """What the named cards, in their order, and then the account's credit pay of a total. Raises GiftCardNotValid."""
    hashes = list(dict.fromkeys(code_hash(code) for code in codes))  # a card named twice pays once
    parameters = {"code_hashes": hashes, "user_id": credit_of, "currency": currency}
    found = [StoredValue.of(row) for row in await rows(connection, store.FIND, parameters)]
    cards = {value.code_hash: value for value in found if value.code_hash is not None}
    for hashed in hashes:
        if hashed not in cards:
            raise GiftCardNotValid("unknown")
        check(cards[hashed], currency, now)
    credit = [value for value in found if value.kind == "store_credit"]
    return draw(total, [*(cards[hashed] for hashed in hashes), *credit])


async def hold(connection: Connection, order_id: UUID, drawn: Sequence[Draw], now: datetime) -> bool:
    """Hold what was drawn for an order, all of it or nothing. False where it was spent elsewhere: roll back then."""
    return await _hold(connection, order_id, [one.value.id for one in drawn], [one.amount for one in drawn], now)


async def hold_again(connection: Connection, order_id: UUID, now: datetime) -> None:
    """Hold what a failed order had held, because its payment is tried again. Raises StoredValueGone."""
    before = await rows(connection, store.HOLDS, {"order_id": order_id})
    ids, amounts = [row["id"] for row in before], [row["amount"] for row in before]
    if not await _hold(connection, order_id, ids, amounts, now):
        raise StoredValueGone()


async def _hold(connection: Connection, order_id: UUID, ids: list[UUID], amounts: list[Decimal], now: datetime) -> bool:
    parameters = {"order_id": order_id, "ids": ids, "amounts": amounts, "now": now}
    done = await first(connection, store.HOLD, parameters)
    return bool(done and done["held"] == len(ids))


async def capture(connection: Connection, order_id: UUID, now: datetime) -> None:
    """The order is confirmed: what it holds is spent. A second time changes nothing."""
    await connection.execute(store.CAPTURE, {"order_id": order_id, "now": now})


async def give_back(connection: Connection, order_id: UUID, now: datetime) -> bool:
    """The order failed, was cancelled or refunded: what it holds or has spent can be spent again. False where there was
    nothing to give back; a second time changes nothing."""
    cursor = await connection.execute(store.GIVE_BACK, {"order_id": order_id, "now": now})
    return cursor.rowcount > 0


async def issue_card(core: Core, actor: str, new: NewGiftCard, key: str | None) -> dict[str, Any]:
    """A new gift card with its code; one key is one card."""
    now = core.clock.now()
    if new.expires_at is not None and new.expires_at <= now:
        raise Problem(422, "invalid_request", "The request does not fit its schema", "expires_at must be in the future")
    code = new_code(f"{actor}:{key}" if key else None)
    reference = uuid5(_CARDS, f"{actor}:{key}") if key else None
    parameters = {
        "id": new_id(),
        "code_hash": code_hash(code),
        "code_end": code[-4:],
        "currency": new.currency,
        "amount": new.amount,
        "expires_at": new.expires_at,
        "reference": reference,
        "actor": actor,
        "now": now,
    }
    async with core.db.connection() as connection:
        card = await first(connection, store.ISSUE_CARD, parameters)
        if card is None:
            card = await first(connection, store.ISSUED, {"reference": reference})
            assert card is not None, "only the same key makes the same code"
            if (card["issued"], card["currency"], card["expires_at"]) != (new.amount, new.currency, new.expires_at):
                raise Problem(422, "idempotency_key_reused", "This Idempotency-Key was used for another gift card")
    return {**_card(card), "code": shown(code)}


async def issue_credit(core: Core, actor: str, new: NewStoreCredit, key: str | None) -> dict[str, Any]:
    """Credit for an account; one key is one issue."""
    reference = uuid5(new.user_id, f"{actor}:{key}") if key else None
    parameters = {
        **new.model_dump(),
        "id": new_id(),
        "reference": reference,
        "actor": actor,
        "now": core.clock.now(),
    }
    async with core.db.connection() as connection:
        try:
            credit = await first(connection, store.ISSUE_CREDIT, parameters)
        except psycopg.errors.UniqueViolation:  # the same key at once: the other request has issued it
            credit = None
        if credit is None:
            known = await first(connection, store.ISSUED, {"reference": reference}) if reference else None
            if known is None:
                raise not_found("user", new.user_id)
            if (known["issued"], known["currency"]) != (new.amount, new.currency):
                raise Problem(422, "idempotency_key_reused", "This Idempotency-Key was used for another issue")
            credit = known
    return _balance(credit)


async def card_of(core: Core, card_id: UUID) -> dict[str, Any]:
    """A gift card with its ledger."""
    async with core.db.connection() as connection:
        card = await first(connection, store.CARD, {"id": card_id})
        if card is None:
            raise not_found("gift card", card_id)
        ledger = await rows(connection, store.LEDGER, {"id": card_id})
    postings = [{**row, "amount": money_text(row["amount"], card["currency"])} for row in ledger]
    return {**_card(card), "ledger": postings}


async def end(core: Core, card_id: UUID) -> dict[str, Any]:
    """End a gift card: nothing more is paid from it. Ending it twice changes nothing."""
    parameters = {"id": card_id, "now": core.clock.now()}
    async with core.db.connection() as connection:
        card = await first(connection, store.END, parameters) or await first(connection, store.CARD, parameters)
    if card is None:
        raise not_found("gift card", card_id)
    return _card(card)


async def balance_of(core: Core, code: str) -> dict[str, Any]:
    """What is left on the card of a code. Raises Problem 404."""
    async with core.db.connection() as connection:
        parameters = {"code_hashes": [code_hash(code)], "user_id": None, "currency": None}
        card = await first(connection, store.FIND, parameters)
    if card is None:
        raise Problem(404, "gift_card_not_found", "There is no such gift card")
    spendable = StoredValue.of(card)
    try:
        check(spendable, card["currency"], core.clock.now())
    except GiftCardNotValid:
        card["available"] = Decimal(0)
    return _card(card)


async def credit_of(core: Core, user_id: UUID) -> dict[str, Any]:
    """An account's store credit in each currency."""
    async with core.db.connection() as connection:
        found = await rows(connection, store.CREDIT, {"user_id": user_id})
    return {"items": [_balance(row) for row in found]}


async def ledger_differences(core: Core) -> list[Row]:
    """Stored values whose ledger does not add up to what they have: none, unless something is broken."""
    async with core.db.connection() as connection:
        return await rows(connection, store.LEDGER_DIFFERENCES)


def _balance(row: Row) -> dict[str, Any]:
    currency = row["currency"]
    return {"currency": currency, **{name: money_text(row[name], currency) for name in ("available", "held")}}


def _card(row: Row) -> dict[str, Any]:
    kept = {name: row[name] for name in ("code_end", "expires_at", "ended_at", "created_at")}
    return {"gift_card_id": row["id"], **kept, **_balance(row)}
