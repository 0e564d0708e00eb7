"""Access tokens: JWT signed with Ed25519. A verified token is remembered until it ends, since checking costs 240 µs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lakefront.secrets import secrets
from transactional.platform.errors import Problem

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


@lru_cache(maxsize=1)
def _key() -> Ed25519PrivateKey:
    key = load_pem_private_key(secrets().token_private_key.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("the token key must be an Ed25519 key")
    return key


def sign(identity: Identity) -> str:
    """An access token for an identity, valid until its ``expires_at``."""
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
    return jwt.encode(claims, _key(), algorithm="EdDSA")


_verified: dict[str, Identity] = {}


def verify(token: str) -> Identity:
    """The identity of a valid access token. Raises Problem 401: token_expired or invalid_token."""
    known = _verified.get(token)
    if known is None:
        known = _checked(token)
        if len(_verified) >= _REMEMBERED:  # the oldest tenth goes; dicts keep the order of insertion
            for old in list(_verified)[: _REMEMBERED // 10]:
                del _verified[old]
        _verified[token] = known
    if known.expires_at <= time.time():
        _verified.pop(token, None)
        raise _expired()
    return known


def _checked(token: str) -> Identity:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            _key().public_key(),
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
        )
    except jwt.ExpiredSignatureError:
        raise _expired() from None
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError):
        raise unauthorized("invalid_token", "The access token is not valid", "Log in again to get a new one.") from None


def unauthorized(code: str, title: str, detail: str | None = None) -> Problem:
    """401 with the challenge that RFC 6750 asks for."""
    challenge = f'Bearer error="{"invalid_token" if "token" in code else "invalid_request"}"'
    return Problem(401, code, title, detail, {"WWW-Authenticate": challenge})


def _expired() -> Problem:
    return unauthorized("token_expired", "The access token has ended", "Ask POST /api/v1/auth/refresh for a new one.")
