"""Why a coupon does not count, with one stable code and a reason that programs can read."""

from __future__ import annotations

from typing import Literal

from transactional.platform.errors import Problem

Reason = Literal["unknown", "not_started", "ended", "used_up", "used_by_customer", "below_minimum", "currency"]
_DETAILS: dict[Reason, str] = {
    "unknown": "There is no such coupon.",
    "not_started": "It is not valid yet.",
    "ended": "It is not valid any more.",
    "used_up": "It has been used as often as it may be.",
    "used_by_customer": "You have used it as often as one customer may.",
    "below_minimum": "The order is below its minimum amount.",
    "currency": "It is in another currency than the order.",
}


class CouponNotValid(Problem):
    """The order is not taken: a shopper who counts on a discount never pays without it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(
            409, "coupon_not_valid", "This coupon cannot be used for this order", _DETAILS[reason], reason=reason
        )
