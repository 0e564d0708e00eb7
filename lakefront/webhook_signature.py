"""Signatures of webhooks as Stripe makes them, and our sandbox gateway too: ``t=<seconds>,v1=<hex HMAC-SHA256>``.

What is signed is the time and the body, so that a message that was overheard is worth nothing after some minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import time

TOLERANCE_SECONDS = 300


def sign(body: bytes, key: str, at: float | None = None) -> str:
    """The header for a body that is sent now, in real time (or ``at``)."""
    moment = int(time.time() if at is None else at)
    return f"t={moment},v1={_digest(moment, body, key)}"


def is_valid(body: bytes, header: str | None, key: str, now: float | None = None) -> bool:
    """True when the body was signed with the key, within the tolerance before or after now."""
    parts = [part.partition("=") for part in (header or "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not times[0].isdecimal() or len(times[0]) > 12:
        return False
    moment = int(times[0])
    expected = _digest(moment, body, key).encode()
    signed = any(hmac.compare_digest(value.encode(), expected) for name, _, value in parts if name == "v1")
    return signed and abs((time.time() if now is None else now) - moment) <= TOLERANCE_SECONDS


def _digest(moment: int, body: bytes, key: str) -> str:
    return hmac.new(key.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
