"""How much each gift card and the store credit pay of an order, as plain functions, and how codes are made and read."""

from __future__ import annotations

import secrets as random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from lakefront.money import money_text, rounded
from lakefront.secrets import keyed_hash
from transactional.stored_value.errors import GiftCardNotValid

CODE_LENGTH = 16
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: without I, L, O and U, which are misread. Sixteen of them are 80 bits."""


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A gift card or an account's store credit."""

    id: UUID
    kind: Literal["gift_card", "store_credit"]
    code_hash: str | None
    code_end: str | None
    currency: str
    available: Decimal
    expires_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: dict[str, Any]) -> StoredValue:
        return cls(**{name: row[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Draw:
    """What one stored value pays."""

    value: StoredValue
    amount: Decimal

    def answer(self, currency: str) -> dict[str, Any]:
        return {
            "kind": self.value.kind,
            "code_end": self.value.code_end,
            "amount": money_text(self.amount, currency),
        }


def check(card: StoredValue, currency: str, now: datetime) -> None:
    """Raise GiftCardNotValid where the card cannot pay now."""
    if card.ended_at is not None:
        raise GiftCardNotValid("ended")
    if card.expires_at is not None and card.expires_at <= now:
        raise GiftCardNotValid("expired")
    if card.currency != currency:
        raise GiftCardNotValid("currency")
    if not card.available:
        raise GiftCardNotValid("empty")


def draw(total: Decimal, values: Iterable[StoredValue]) -> list[Draw]:
    """One after the other, each as far as it goes and is needed; together never more than the total."""
    draws, remaining = [], total
    for value in values:
        amount = rounded(min(value.available, remaining), value.currency)
        if amount > 0:
            draws.append(Draw(value, amount))
            remaining -= amount
    return draws


def new_code(key: str | None) -> str:
    """A gift card's code: by chance, or the same for the same key, so that it can be told again without being kept."""
    if key is None:
        return "".join(random.choice(_ALPHABET) for _ in range(CODE_LENGTH))
    number = int(keyed_hash("gift_card_code", key), 16)
    return "".join(_ALPHABET[(number >> 5 * place) & 31] for place in range(CODE_LENGTH))


def shown(code: str) -> str:
    """The code as it is printed: in groups of four."""
    return "-".join(code[place : place + 4] for place in range(0, CODE_LENGTH, 4))


def read_code(text: str) -> str:
    """The code as it was typed: without groups, with misread letters put right."""
    kept = "".join(text.upper().split()).replace("-", "")
    return kept.translate(str.maketrans("ILO", "110"))


def code_hash(code: str) -> str:
    return keyed_hash("gift_card", code)
