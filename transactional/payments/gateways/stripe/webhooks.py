"""Webhooks from Stripe: whether they really come from it, and what they say."""

from __future__ import annotations

import stripe
from pydantic import BaseModel

TOLERANCE_SECONDS = 300

SUCCEEDED = frozenset({"payment_intent.amount_capturable_updated", "payment_intent.succeeded"})
ENDED = frozenset({"payment_intent.payment_failed", "payment_intent.canceled"})
CHARGED_BACK = "charge.dispute.funds_withdrawn"
"""A dispute may be opened without it; this is when the money goes."""


class Subject(BaseModel):
    """What an event is about: a payment intent, or a dispute that names one."""

    id: str
    payment_intent: str | None = None
    metadata: dict[str, str] = {}


class Data(BaseModel):
    object: Subject


class Event(BaseModel):
    type: str
    created: int
    data: Data


def is_genuine(body: bytes, header: str | None, secret: str) -> bool:
    """True when Stripe signed the body with the secret a short while ago."""
    if not secret:
        return False
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError):  # TypeError: signs beyond ASCII
        return False
    return True
