"""What every payment gateway offers. Money moves at most once for an idempotency key, however often it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from transactional.payments.methods import Method


class GatewayUnavailable(RuntimeError):
    """The request was definitely not carried out: refused before sending, or the gateway said so. It may be sent
    again."""


class OutcomeUnknown(RuntimeError):
    """The request was sent and no answer came. Only a look-up by its key tells what happened; never send a new key."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """Asks the gateway to set an amount aside."""

    key: str
    """Idempotency key."""
    merchant_reference: str
    """Our name of the payment, which the gateway's webhooks carry."""
    token: str
    amount: Decimal
    currency: str
    method: Method = "card"


@dataclass(frozen=True, slots=True)
class Charge:
    """What the gateway knows of an authorization."""

    reference: str
    """The gateway's own name of it."""
    status: Literal["processing", "authorized", "declined", "refused", "captured", "voided"]
    """`declined`: the card's issuer said no, and would say so everywhere. `refused`: this gateway could not do it; it
    never will under this key, and another gateway may be asked."""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """The gateway's answer to a capture, void or refund."""

    accepted: bool
    reason: str | None = None


class Gateway(Protocol):
    """A payment gateway. Calls raise ``GatewayUnavailable`` or ``OutcomeUnknown`` when there is no definite answer."""

    name: str

    async def authorize(self, request: Authorization) -> Charge: ...

    async def find(self, key: str) -> Charge | None:
        """The charge of an authorization's key; None when the gateway has not seen the key (yet)."""
        ...

    async def capture(self, key: str, reference: str, amount: Decimal) -> Movement: ...

    async def void(self, key: str, reference: str) -> Movement: ...

    async def refund(self, key: str, reference: str, amount: Decimal) -> Movement: ...

    async def close(self) -> None: ...
