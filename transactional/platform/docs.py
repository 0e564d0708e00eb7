"""The API's description: one Problem schema for all errors, and documentation pages that need no foreign host."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles
from starlette.responses import HTMLResponse

from transactional.platform.errors import PROBLEM_JSON, PROBLEM_SCHEMA

_ASSETS = "/docs/assets"
DESCRIPTION = """
The storefront of Lakefront. Prices are strings with the currency's own decimals, times are UTC, ids are UUIDv7, and lists
page by `next_cursor`.

**Try it**: list the products, register an account, press *Authorize* with the `access_token` of the answer, put a product
into the cart and order it with the payment token `tok_visa`. As a guest, send any `X-Session-Id` of 8 characters or more.
"""


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
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = PROBLEM_SCHEMA
            _problems_for_validation(document)
            for leftover in ("HTTPValidationError", "ValidationError"):
                schemas.pop(leftover, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def serve_documentation(app: FastAPI) -> None:
    """Pages of the API whose scripts come from this server: they work where the network is closed."""
    app.mount(_ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="documentation-assets")

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


def _problems_for_validation(document: dict[str, Any]) -> None:
    """FastAPI describes its own 422; ours is a problem document like every error."""
    for path in document["paths"].values():
        for operation in path.values():
            answer = operation.get("responses", {}).get("422")
            if answer and "application/json" in answer.get("content", {}):
                answer["description"] = "The request does not fit its schema"
                answer["content"] = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
