"""Charge-backs: the cards' holders find out 1 to 6 business days later, and the gateway tells the shop by a signed
webhook."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import orjson

from lakefront.clock import iso
from lakefront.webhook_signature import sign

REPORTED_SHARE = 0.93
"""Some holders never look at their statements."""
FRIENDLY_SHARE = 0.002
"""Honest orders that are charged back all the same: labels lie a little."""
SIGNATURE_HEADER = "X-Sandbox-Signature"
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class ChargeBack:
    """A charge-back to come."""

    payment_id: str
    due_at: str


def business_days_later(moment: datetime, days: int) -> datetime:
    """The same time of day, so many days later that are neither Saturday nor Sunday."""
    later = moment
    while days > 0:
        later += timedelta(days=1)
        if later.weekday() < SATURDAY:
            days -= 1
    return later


class ChargeBacks:
    """Charge-backs that are due some day. ``pending`` survives the end of the simulation in its state file."""

    def __init__(self, pending: list[dict[str, str]], rng: np.random.Generator) -> None:
        self._pending = [ChargeBack(**entry) for entry in pending]
        self._rng = rng

    def expect(self, payment_id: str, placed_at: datetime, *, is_fraud: bool) -> None:
        """A payment succeeded: perhaps its holder will complain."""
        if self._rng.random() >= (REPORTED_SHARE if is_fraud else FRIENDLY_SHARE):
            return
        due = business_days_later(placed_at, int(self._rng.integers(1, 7)))
        self._pending.append(ChargeBack(payment_id, iso(due + timedelta(hours=float(self._rng.uniform(-3, 3))))))

    def take_due(self, now: datetime) -> list[ChargeBack]:
        """Those whose time has come."""
        moment = iso(now)
        due = [entry for entry in self._pending if entry.due_at <= moment]
        self._pending = [entry for entry in self._pending if entry.due_at > moment]
        return due

    def put_back(self, entry: ChargeBack) -> None:
        """The shop could not take it yet."""
        self._pending.append(entry)

    def pending(self) -> list[dict[str, str]]:
        return [asdict(entry) for entry in self._pending]


def webhook(entry: ChargeBack, key: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the gateway's message."""
    message: dict[str, Any] = {
        "type": "charge_back", "merchant_reference": entry.payment_id, "occurred_at": entry.due_at,
    }  # fmt: skip
    body = orjson.dumps(message)
    return body, {SIGNATURE_HEADER: sign(body, key), "Content-Type": "application/json"}
