"""Who is signed in at the dashboards: the core's tokens in a signed cookie that scripts cannot read.

The cookie is SameSite=Strict, so a form on another site cannot act with it. The core checks the role at every call; the
dashboards check it once more before they show figures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta

import jwt
from starlette.requests import Request
from starlette.responses import Response

from lakefront.clock import real_now
from lakefront.secrets import secrets
from lakefront.settings import settings

COOKIE = "lakefront_dashboard"
SAID_COOKIE = "lakefront_dashboard_said"
SAID_SECONDS = 60
ROLES = frozenset({"merchandiser", "admin"})


@dataclass(frozen=True)
class SignedIn:
    """A merchandiser's session."""

    email: str
    role: str
    access_token: str
    refresh_token: str
    user_id: str = ""
    """As histories name the account."""


class NotSignedIn(Exception):
    """There is no valid session: the login page comes next."""


def remember(response: Response, session: SignedIn) -> None:
    """Put the session into the answer's cookie, for as long as the refresh token lives."""
    lifetime = timedelta(days=settings().refresh_token_days)
    claims = asdict(session) | {"exp": real_now() + lifetime}
    response.set_cookie(
        COOKIE,
        jwt.encode(claims, secrets().session_key, algorithm="HS256"),
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        samesite="strict",
    )


def forget(response: Response) -> None:
    """Sign out."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def say(response: Response, outcome: str | None) -> None:
    """Let the next page tell an outcome; None: it has been told. Signed, so that a link cannot put words on the page."""
    if outcome is None:
        response.delete_cookie(SAID_COOKIE, httponly=True, samesite="strict")
        return
    claims = {"said": outcome, "exp": real_now() + timedelta(seconds=SAID_SECONDS)}
    response.set_cookie(
        SAID_COOKIE,
        jwt.encode(claims, secrets().session_key, algorithm="HS256"),
        max_age=SAID_SECONDS,
        httponly=True,
        samesite="strict",
    )


def said(request: Request) -> str:
    """What the page before wanted told; empty when nothing, or when it is not from us."""
    try:
        claims = jwt.decode(request.cookies.get(SAID_COOKIE, ""), secrets().session_key, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        return ""
    return str(claims.get("said", ""))


def signed_in(request: Request) -> SignedIn:
    """The session of a request. Raises NotSignedIn when the cookie is absent, altered, over or not a merchandiser's."""
    try:
        claims = jwt.decode(request.cookies.get(COOKIE, ""), secrets().session_key, algorithms=["HS256"])
        session = SignedIn(**{name: claims[name] for name in SignedIn.__dataclass_fields__})
    except (jwt.InvalidTokenError, KeyError):
        raise NotSignedIn from None
    if session.role not in ROLES:
        raise NotSignedIn
    return session
