"""Which pages of other origins may use the API from a browser: none, unless ``LAKEFRONT_CORS_ORIGINS`` names them.

Cookies are never sent along: who asks says so by a token in a header, so that a page can only do what it holds a token for.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from lakefront.settings import settings

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SENT = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "X-Correlation-Id",
    "X-Device-Id",
    "X-Session-Id",
)
SHOWN = ("ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Correlation-Id")
PREFLIGHT_SECONDS = 600


def allowed_origins() -> list[str]:
    """As the settings name them."""
    return [origin.strip().rstrip("/") for origin in settings().cors_origins.split(",") if origin.strip()]


def allow_other_origins(app: FastAPI) -> None:
    """Answer their preflights and mark answers for them; where there are none, nothing is added to any request."""
    if origins := allowed_origins():
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=SENT,
            expose_headers=SHOWN,
            allow_credentials=False,
            max_age=PREFLIGHT_SECONDS,
        )
