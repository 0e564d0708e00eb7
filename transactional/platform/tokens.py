"""Access tokens: short JWTs signed with Ed25519 by the newest key of the ring, named by its ``kid``.

A verified token is remembered until it ends, since checking costs 240 µs; a rotation forgets them all, and a session that
was ended takes its tokens with it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt

from transactional.platform import revocations
from transactional.platform.errors import Problem
from transactional.platform.signing_keys import Ring, ring

ISSUER = "lakefront"
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token speaks for."""

    user_id: UUID
    user: UUID
    """The pseudonym, the only name of a person in events."""
    role: str
    email_domain: str
    country: str | None
    account_created_at: datetime
    """Business time."""
    is_simulated: bool
    expires_at: float
    session: UUID | None = None
    """The login that the token belongs to."""


def sign(identity: Identity) -> str:
    """An access token for an identity, valid until its ``expires_at``."""
    key = ring.now().signer(time.time())
    claims = {
        "iss": ISSUER,
        "sub": str(identity.user_id),
        "pid": str(identity.user),
        "role": identity.role,
        "domain": identity.email_domain,
        "country": identity.country,
        "since": identity.account_created_at.timestamp(),
        "sim": identity.is_simulated,
        "iat": int(time.time()),
        "exp": int(identity.expires_at),
    }
    if identity.session is not None:
        claims["sid"] = str(identity.session)
    return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid})


def verify(token: str) -> Identity:
    """The identity of a valid access token. Raises Problem 401: token_expired or invalid_token."""
    keys = ring.now()
    verified: dict[str, Identity] = keys.verified
    known = verified.get(token)
    if known is None:
        known = _checked(token, keys)
        if len(verified) >= _REMEMBERED:  # the oldest tenth goes; dicts keep the order of insertion
            for old in list(verified)[: _REMEMBERED // 10]:
                del verified[old]
        verified[token] = known
    if known.expires_at <= time.time():
        verified.pop(token, None)
        raise _expired()
    if revocations.is_ended(known.session):
        raise unauthorized("session_ended", "The session of this token was ended", "Log in again.")
    return known


def _checked(token: str, keys: Ring) -> Identity:
    try:
        key = keys.verifier(jwt.get_unverified_header(token).get("kid"), time.time())
        if key is None:
            raise jwt.InvalidTokenError("the key is not, or no longer, one of ours")
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public,
            algorithms=["EdDSA"],
            issuer=ISSUER,
            options={"require": ["exp", "sub", "iss"]},
        )
        return Identity(
            user_id=UUID(claims["sub"]),
            user=UUID(claims["pid"]),
            role=claims["role"],
            email_domain=claims["domain"],
            country=claims["country"],
            account_created_at=datetime.fromtimestamp(claims["since"], UTC),
            is_simulated=claims["sim"],
            expires_at=float(claims["exp"]),
            session=UUID(claims["sid"]) if "sid" in claims else None,
        )
    except jwt.ExpiredSignatureError:
        raise _expired() from None
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError):
        raise unauthorized("invalid_token", "The access token is not valid", "Log in again to get a new one.") from None


def unauthorized(code: str, title: str, detail: str | None = None) -> Problem:
    """401 with the challenge that RFC 6750 asks for."""
    challenge = f'Bearer error="{"invalid_token" if "token" in code or code == "session_ended" else "invalid_request"}"'
    return Problem(401, code, title, detail, {"WWW-Authenticate": challenge})


def _expired() -> Problem:
    return unauthorized("token_expired", "The access token has ended", "Ask POST /api/v1/auth/refresh for a new one.")
