"""Why a gift card does not count, with one stable code and a reason that programs can read."""

from __future__ import annotations

from typing import Literal

from transactional.platform.errors import Problem

Reason = Literal["unknown", "empty", "expired", "ended", "currency"]
_DETAILS: dict[Reason, str] = {
    "unknown": "There is no such gift card.",
    "empty": "Nothing is left on it.",
    "expired": "It is not valid any more.",
    "ended": "It has been ended.",
    "currency": "It is in another currency than the order.",
}


class GiftCardNotValid(Problem):
    """The order is not taken: a shopper who counts on a card never pays without it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(
            409, "gift_card_not_valid", "This gift card cannot be used for this order", _DETAILS[reason], reason=reason
        )


class StoredValueGone(Problem):
    """What a failed order had held was spent elsewhere since."""

    def __init__(self) -> None:
        super().__init__(
            409,
            "stored_value_gone",
            "The gift cards or the store credit of this order are spent",
            "Place a new order to pay it otherwise.",
        )
