"""The storefront API: one FastAPI application that joins the domains. ``create_app`` makes a fresh one at each call."""

from __future__ import annotations

from fastapi import FastAPI

from lakefront.telemetry import configure
from transactional.accounts import addresses_api as addresses
from transactional.accounts import administration_api as administration
from transactional.accounts import api as accounts
from transactional.accounts import deletion_api as deletion
from transactional.accounts import email_change_api as email_change
from transactional.accounts import export_api as export
from transactional.accounts import oauth_api as oauth
from transactional.accounts import openid_api as openid
from transactional.accounts import second_factor_api as second_factor
from transactional.accounts.openid import close_provider, open_provider
from transactional.accounts.service import ensure_merchandiser
from transactional.carts import api as carts
from transactional.catalogue import api as catalogue
from transactional.catalogue import changes_api as catalogue_changes
from transactional.catalogue.service import example_product
from transactional.events import api as events
from transactional.health import api as health
from transactional.images import api as images
from transactional.inventory import api as inventory
from transactional.orders import api as orders
from transactional.orders import updates_api as order_updates
from transactional.orders.checkout import api as checkout
from transactional.orders.live import close_watch, let_watchers_go
from transactional.payments import api as payments
from transactional.payments.gateways.registry import close_gateways, open_gateways
from transactional.platform.cors import allow_other_origins
from transactional.platform.docs import DESCRIPTION, describe, serve_documentation
from transactional.platform.errors import install_error_handlers
from transactional.platform.key_follower import open_keys
from transactional.platform.known_answers import KnownAnswers
from transactional.platform.lifespan import lifespan_with
from transactional.platform.limits import RateLimitMiddleware
from transactional.platform.news_follower import follow_news, stop_following
from transactional.platform.routing import find_exact_paths, join
from transactional.platform.telemetry import TelemetryMiddleware
from transactional.pricing import api as pricing
from transactional.promotions import api as promotions
from transactional.recommendations import api as recommendations
from transactional.reviews import api as reviews
from transactional.search import api as search
from transactional.search.service import close_search, open_search
from transactional.sellers import api as sellers
from transactional.simulation import api as simulation
from transactional.stored_value import api as stored_value
from transactional.wishlists import api as wishlists

PREFIX = "/api/v1"
# The hottest first: routes are searched in this order.
_DOMAINS = (
    catalogue,
    events,
    recommendations,
    search,
    reviews,
    carts,
    pricing,
    orders,
    order_updates,
    checkout,
    payments,
    promotions,
    stored_value,
    inventory,
    catalogue_changes,
    images,
    accounts,
    second_factor,
    email_change,
    deletion,
    export,
    oauth,
    openid,
    administration,
    addresses,
    wishlists,
    sellers,
    simulation,
)
_TAGS = [
    {"name": name}
    for name in (
        "catalogue",
        "search",
        "reviews",
        "accounts",
        "cart",
        "wishlists",
        "sellers",
        "orders",
        "payments",
        "recommendations",
        "pricing",
        "promotions",
        "inventory",
        "events",
    )
]


def create_app() -> FastAPI:
    """The application with all domains; its connections open in the lifespan."""
    configure("api")
    app = FastAPI(
        title="Lakefront storefront",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan_with(
            open_keys,
            ensure_merchandiser,
            open_gateways,
            open_search,
            follow_news,
            open_provider,
            last_steps=[close_watch, stop_following, close_search, close_provider, close_gateways],
            when_told_to_stop=[let_watchers_go],
        ),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        openapi_tags=_TAGS,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
        },  # ours is one middleware; theirs, four spans a request
    )
    for domain in _DOMAINS:
        join(app, domain.router, PREFIX)
    join(app, accounts.well_known, "")
    join(app, images.files, "")
    join(app, health.router, "")
    install_error_handlers(app)
    describe(app)
    serve_documentation(app, example_product)
    find_exact_paths(app)
    app.add_middleware(KnownAnswers)  # each stands around those before it
    app.add_middleware(RateLimitMiddleware)
    allow_other_origins(app)
    app.add_middleware(TelemetryMiddleware)  # added last: the outermost
    return app
