"""Payment methods. A payment method is a gateway's token; which kind it is of, the token says."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

Method = Literal["card", "wallet", "buy_now_pay_later"]
METHODS: tuple[Method, ...] = get_args(Method)
_PAID_LATER = ("bnpl", "klarna", "affirm", "afterpay", "invoice")


@lru_cache(maxsize=1024)  # an order asks for it at each of its steps
def method_of(token: str) -> Method:
    """Kind of a payment method: wallets and later payments say so in their token, everything else is a card."""
    if "wallet" in token:
        return "wallet"
    return "buy_now_pay_later" if any(name in token for name in _PAID_LATER) else "card"
