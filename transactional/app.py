"""The storefront API: one FastAPI application that joins the domains. ``create_app`` makes a fresh one at each call."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from fastapi import APIRouter, FastAPI

from lakefront.telemetry import configure
from transactional.health.api import router as health
from transactional.platform.docs import DESCRIPTION, describe, serve_documentation
from transactional.platform.errors import install_error_handlers
from transactional.platform.lifespan import lifespan
from transactional.platform.limits import RateLimitMiddleware
from transactional.platform.telemetry import TelemetryMiddleware

PREFIX = "/api/v1"
_MOST_BODY_BYTES = 4 * 1024 * 1024
_DOMAINS = (
    "catalogue",
    "accounts",
    "carts",
    "orders",
    "payments",
    "inventory",
    "pricing",
    "recommendations",
    "events",
    "simulation",
)


def domain_routers() -> list[APIRouter]:
    """The routers of all domains, in the order in which the documentation shows them."""
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
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        max_body_size=_MOST_BODY_BYTES,
    )
    for router in domain_routers():
        app.include_router(router, prefix=PREFIX)
    app.include_router(health)
    install_error_handlers(app)
    describe(app)
    serve_documentation(app)
    app.add_middleware(RateLimitMiddleware)
    app.add_middleware(TelemetryMiddleware)  # added last: the outermost
    return app
