"""The API's description and its pages: one Problem schema, who may call what, and scripts from this very server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.responses import HTMLResponse, RedirectResponse

from transactional.platform import authentication
from transactional.platform.core import Core, core
from transactional.platform.errors import PROBLEM_JSON, PROBLEM_SCHEMA, responses
from transactional.platform.examples import EXAMPLE_PRODUCT_ID, name_products
from transactional.platform.permissions import Permission

_ASSETS = "/docs/assets"
DESCRIPTION = """
The storefront of Lakefront. Prices are strings with the currency's own decimals, times are UTC, ids are UUIDv7, and lists
page by `next_cursor`.

**Try it**: open an account with `POST /api/v1/auth/register`, press *Authorize* and paste the `access_token` of the answer,
put a product into the cart and order it: the examples name a product that the shop has. Payment tokens such as `tok_visa`
are accepted, `tok_decline_card` is declined. Without an account send any `X-Session-Id` of 8 characters or more.
"""
ExampleProduct = Callable[[Core], Awaitable[str | None]]

_TOKEN, _KEY = "Access token", "Internal key"
_SCHEMES = {
    _TOKEN: {"type": "http", "scheme": "bearer", "description": "`access_token` of register, login or refresh."},
    _KEY: {"type": "apiKey", "in": "header", "name": "X-Internal-Key", "description": "For Lakefront's own processes."},
}
# Which credentials the dependencies of `authentication` take; {} means: none is needed.
_SECURITY: dict[Any, list[dict[str, list[str]]]] = {
    authentication.caller: [{_TOKEN: []}, {}],
    authentication.member: [{_TOKEN: []}],
    **{authentication.permitted(permission): [{_TOKEN: []}, {_KEY: []}] for permission in Permission},
    authentication.internal: [{_KEY: []}],
}
# Where a caller comes without a token to be given one; only what X-Session-Id names plays a part there.
_SIGNING_IN = ("/auth/register", "/auth/login", "/auth/login/second-factor", "/auth/openid/finish", "/oauth/token")
_SHOPPER_HEADERS = [
    {
        "name": "X-Session-Id",
        "in": "header",
        "description": "The visit, of 8 to 64 characters; a guest's cart and orders hang on it.",
        "schema": {"type": "string", "pattern": authentication.SESSION_ID.pattern},
        "example": "my-first-visit",
    },
    {
        "name": "X-Device-Id",
        "in": "header",
        "description": "The device; only its keyed hash is kept.",
        "schema": {"type": "string", "maxLength": 128},
    },
]


def describe(app: FastAPI) -> None:
    """Give the application its OpenAPI document, made once on first use."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            components = document.setdefault("components", {})
            components["securitySchemes"] = _SCHEMES
            components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
            for leftover in ("HTTPValidationError", "ValidationError"):
                components["schemas"].pop(leftover, None)
            _problems_for_validation(document)
            for route in app.routes:
                if isinstance(route, APIRoute) and route.include_in_schema:
                    _who_may_call(document, route)
            name_products(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _problems_for_validation(document: dict[str, Any]) -> None:
    """FastAPI describes its own 422; ours is a problem document like every error."""
    for path in document["paths"].values():
        for operation in path.values():
            answer = operation.get("responses", {}).get("422")
            if answer and "application/json" in answer.get("content", {}):
                answer["description"] = "The request does not fit its schema"
                answer["content"] = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _who_may_call(document: dict[str, Any], route: APIRoute) -> None:
    """Say which credentials an operation takes; here and not by FastAPI's own classes, which would cost each request."""
    asked = [dependency.call for dependency in route.dependant.dependencies if dependency.call in _SECURITY]
    for method in route.methods or ():
        operation = document["paths"][route.path_format][method.lower()]
        for dependency in asked:
            if not route.path_format.endswith(_SIGNING_IN):
                operation["security"] = _SECURITY[dependency]
            if dependency in (authentication.caller, authentication.member):
                operation["parameters"] = [*operation.get("parameters", ()), *_SHOPPER_HEADERS]
        _what_may_be_wrong(operation, looks_at_caller=bool(asked))


def _what_may_be_wrong(operation: dict[str, Any], *, looks_at_caller: bool) -> None:
    """The answers that an operation has for what all of its kind have: a body that may be no JSON, headers that may be
    malformed, a token that may be bad."""
    found = operation["responses"]
    wrong = {400, 401} if looks_at_caller else {400} if "requestBody" in operation else set()
    described = {str(status): answer for status, answer in responses(*wrong).items() if status in wrong}
    operation["responses"] = dict(sorted((described | found).items()))


def serve_documentation(app: FastAPI, example_product: ExampleProduct) -> None:
    """The document, with a product of the shop in its examples, and pages that work where the network is closed."""
    app.mount(_ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="documentation-assets")

    @app.get("/", include_in_schema=False)
    async def start(request: Request) -> Response:
        """Where to begin: a browser is sent to the pages, a program is told the addresses."""
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/docs")
        found = {"title": app.title, "documentation": "/docs", "openapi": "/openapi.json", "health": "/health/ready"}
        return Response(orjson.dumps(found), media_type="application/json")

    @app.get("/openapi.json", include_in_schema=False)
    async def document(request: Request) -> Response:
        body = orjson.dumps(app.openapi())
        if product_id := await example_product(core(request)):
            body = body.replace(EXAMPLE_PRODUCT_ID.encode(), product_id.encode())
        return Response(body, media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: try the API",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon.png",
            swagger_ui_parameters={
                "persistAuthorization": True,
                "tryItOutEnabled": True,
                "displayRequestDuration": True,
            },
        )

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url="/openapi.json",
            title=app.title,
            redoc_js_url=f"{_ASSETS}/redoc.standalone.js",
            redoc_favicon_url=f"{_ASSETS}/favicon.png",
            with_google_fonts=False,
        )
