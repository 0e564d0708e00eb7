"""Who calls: the token's user, the guest's session, the device and address, or one of our own processes.

Endpoints ask for one of the dependencies ``CallerDep`` (anyone), ``MemberDep`` (logged in), ``MerchandiserDep``
(who manages the shop), ``EditorDep`` (who manages it, or a seller's products), ``InternalDep`` (one of our own processes
only), or for ``Annotated[Caller, needs(Permission.…)]``: somebody whose role has the permission, or one of our own processes.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from lakefront.secrets import secrets
from lakefront.settings import settings
from transactional.platform.errors import Problem
from transactional.platform.permissions import Permission, may
from transactional.platform.tokens import Identity, unauthorized, verify

SESSION_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MOST_DEVICE_CHARACTERS = 128
_LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as is known."""

    user_id: UUID | None
    user: UUID | None
    """The pseudonym, for events."""
    role: str
    """guest, or one of ``permissions.ROLES``."""
    session: str | None
    """X-Session-Id: the browser's session; a guest's cart hangs on it."""
    device: str | None
    """X-Device-Id, as sent; events carry its keyed hash only."""
    address: str
    """Network address, as seen; events carry its keyed hash only."""
    is_internal: bool
    email_domain: str | None = None
    country: str | None = None
    account_created_at: datetime | None = None
    is_simulated: bool = False
    login: UUID | None = None
    """The account's session that the token belongs to, as GET /auth/sessions lists it."""

    @property
    def member_id(self) -> UUID:
        """The account. Raises Problem 401 for a guest."""
        if self.user_id is None:
            raise unauthorized(
                "not_authenticated", "This needs an account", "Log in and send 'Authorization: Bearer …'."
            )
        return self.user_id

    def may(self, permission: Permission) -> bool:
        """Whether the caller's role has a permission; our own processes have all."""
        return self.is_internal or may(self.role, permission)

    @property
    def is_merchandiser(self) -> bool:
        return self.may(Permission.MANAGE_SHOP)

    @property
    def actor(self) -> str:
        """Who did something, for histories."""
        return "internal" if self.is_internal and self.user_id is None else str(self.user_id or "guest")


def identity_of(authorization: str | None) -> Identity | None:
    """Whose token the Authorization header carries, None without one. Raises Problem 401 when it is not valid."""
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("invalid_token", "The Authorization header must be 'Bearer <access token>'")
    return verify(token.strip())


def is_internal(key: str | None) -> bool:
    """True for our own processes, by X-Internal-Key. Raises Problem 401 when a key was sent that is not ours."""
    if not key:
        return False
    if not hmac.compare_digest(key.encode(), secrets().internal_key.encode()):
        raise unauthorized("invalid_internal_key", "The internal key is not valid")
    return True


def address_of(forwarded: str | None, peer: str) -> str:
    """The caller's network address; only in simulation mode and from loopback, the one that X-Forwarded-For names."""
    if forwarded and peer in _LOOPBACK and settings().simulation:
        return forwarded.split(",", 1)[0].strip()
    return peer


def caller_of(request: HTTPConnection) -> Caller:
    """Who sent a request, or opened a WebSocket. Raises Problem 401 for a bad token, 400 for a bad session or device id."""
    headers = request.headers
    identity = identity_of(headers.get("authorization"))
    session = headers.get("x-session-id")
    if session is not None and not SESSION_ID.fullmatch(session):
        raise Problem(400, "invalid_session", "X-Session-Id must be 8 to 64 letters, digits, '-' or '_'")
    device = headers.get("x-device-id") or None
    if device is not None and len(device) > _MOST_DEVICE_CHARACTERS:
        raise Problem(400, "invalid_device", f"X-Device-Id has at most {_MOST_DEVICE_CHARACTERS} characters")
    address = address_of(headers.get("x-forwarded-for"), request.client.host if request.client else "")
    ours = is_internal(headers.get("x-internal-key"))
    if identity is None:
        return Caller(None, None, "guest", session, device, address, ours)
    return Caller(
        user_id=identity.user_id,
        user=identity.user,
        role=identity.role,
        session=session,
        device=device,
        address=address,
        is_internal=ours,
        email_domain=identity.email_domain,
        country=identity.country,
        account_created_at=identity.account_created_at,
        is_simulated=identity.is_simulated,
        login=identity.session,
    )


# The dependencies are coroutines: FastAPI would send plain functions to its thread pool.
async def caller(request: Request) -> Caller:
    """Anyone."""
    return caller_of(request)


async def member(request: Request) -> Caller:
    """Somebody who has logged in. Raises Problem 401 for others."""
    found = caller_of(request)
    _ = found.member_id  # raises for guests
    return found


@cache
def permitted(permission: Permission) -> Callable[[Request], Awaitable[Caller]]:
    """The dependency that lets pass who has a permission. Raises Problem 401 for guests, 403 for others."""

    async def check(request: Request) -> Caller:
        found = caller_of(request)
        if found.may(permission):
            return found
        if found.user_id is None:
            raise unauthorized("not_authenticated", "This needs an account that may do it")
        raise Problem(403, "forbidden", "The account may not do this", f"It lacks the permission {permission}.")

    check.permission = permission  # type: ignore[attr-defined]
    return check


def needs(permission: Permission) -> Any:
    """For ``Annotated[Caller, needs(Permission.MANAGE_STOCK)]``."""
    return Depends(permitted(permission))


async def internal(request: Request) -> Caller:
    """One of our own processes. Raises Problem 401 for others."""
    found = caller_of(request)
    if not found.is_internal:
        raise unauthorized("not_authenticated", "This is for Lakefront's own processes", "Send X-Internal-Key.")
    return found


CallerDep = Annotated[Caller, Depends(caller)]
MemberDep = Annotated[Caller, Depends(member)]
MerchandiserDep = Annotated[Caller, needs(Permission.MANAGE_SHOP)]
EditorDep = Annotated[Caller, needs(Permission.MANAGE_OWN_PRODUCTS)]
"""Which products, ``transactional.sellers.access`` says in the transaction that changes them."""
InternalDep = Annotated[Caller, Depends(internal)]
