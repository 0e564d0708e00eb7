"""What a merchandiser reads when a page cannot be shown: what is wrong, and what to do; never a bare status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from serving.dashboards.core_client import CoreAway, CoreRefused
from serving.dashboards.pages import page
from serving.dashboards.session import NotSignedIn, SignedIn, signed_in

log = structlog.get_logger(__name__)


def install_problem_pages(app: FastAPI) -> None:
    """Give every error a page of its own."""
    app.add_exception_handler(NotSignedIn, _to_login)
    app.add_exception_handler(CoreAway, _core_away)
    app.add_exception_handler(CoreRefused, _core_refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _no_such_page)
    app.add_exception_handler(Exception, _broken)


async def _to_login(request: Request, _error: Exception) -> Response:
    return RedirectResponse("/login", status_code=303)


async def _core_away(request: Request, error: Exception) -> Response:
    remedy = "Nothing was changed. `lakefront status` shows which process is down; then try again."
    return _problem(request, 503, "The shop does not answer", str(error), remedy)


async def _core_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, CoreRefused)
    status = error.status if error.status < 500 else 502
    return _problem(request, status, "The shop refused this", str(error), "Nothing was changed.")


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _problem(
        request, 422, "This page does not understand the request", _faults(error.errors()), "Nothing was changed."
    )


async def _no_such_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _problem(request, 404, "There is no such page", f"Nothing stands at {request.url.path}.", "")
    return _problem(request, error.status_code, "This cannot be done here", str(error.detail), "Nothing was changed.")


async def _broken(request: Request, error: Exception) -> Response:
    log.error("page_broken", path=request.url.path, error=repr(error))
    remedy = "`lakefront logs dashboards` shows the error in full."
    return _problem(request, 500, "This page is broken", "The error is ours, not yours.", remedy)


def _faults(errors: Sequence[Any]) -> str:
    """What was wrong with each part of the request, by its name."""
    return "; ".join(f"{error['loc'][-1]}: {error['msg']}" for error in errors)


def _problem(request: Request, status: int, title: str, message: str, remedy: str) -> Response:
    return page(
        request, _session(request), "problem.html", status_code=status, title=title, message=message, remedy=remedy
    )


def _session(request: Request) -> SignedIn | None:
    """Who is signed in, for the navigation alone: a page about a problem is shown to anybody."""
    try:
        return signed_in(request)
    except NotSignedIn:
        return None
