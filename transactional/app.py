"""The storefront API: one FastAPI application that joins the domains. ``create_app`` makes a fresh one at each call."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from fastapi import APIRouter, FastAPI

from lakefront.telemetry import configure
from transactional.accounts.service import ensure_merchandiser
from transactional.health.api import router as health
from transactional.platform.docs import DESCRIPTION, describe, serve_documentation
from transactional.platform.errors import install_error_handlers
from transactional.platform.lifespan import lifespan_with
from transactional.platform.limits import RateLimitMiddleware
from transactional.platform.routing import join
from transactional.platform.telemetry import TelemetryMiddleware

PREFIX = "/api/v1"
# The hottest first: routes are searched in this order.
_DOMAINS = (
    "catalogue",
    "events",
    "recommendations",
    "carts",
    "pricing",
    "orders",
    "payments",
    "inventory",
    "accounts",
    "simulation",
)
_TAGS = [
    {"name": name}
    for name in (
        "catalogue",
        "accounts",
        "cart",
        "orders",
        "payments",
        "recommendations",
        "pricing",
        "inventory",
        "events",
    )
]


def domain_routers() -> list[APIRouter]:
    """The routers of all domains."""
    return [
        import_module(f"transactional.{name}.api").router for name in _DOMAINS if find_spec(f"transactional.{name}.api")
    ]


def create_app() -> FastAPI:
    """The application with all domains; its connections open in the lifespan."""
    configure("api")
    app = FastAPI(
        title="Lakefront storefront",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan_with(ensure_merchandiser),
        docs_url=None,
        redoc_url=None,
        openapi_tags=_TAGS,
    )
    for router in domain_routers():
        join(app, router, PREFIX)
    join(app, health, "")
    install_error_handlers(app)
    describe(app)
    serve_documentation(app)
    app.add_middleware(RateLimitMiddleware)
    app.add_middleware(TelemetryMiddleware)  # added last: the outermost
    return app
