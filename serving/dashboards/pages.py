"""Templates, the filters that they use, and the answer that a rendered page is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

from lakefront.settings import settings
from serving.dashboards.session import SignedIn, remember

HERE = Path(__file__).parent

templates = Jinja2Templates(HERE / "templates")
templates.env.filters["percent"] = lambda share, digits=1: "–" if share is None else f"{share * 100:.{digits}f} %"
templates.env.filters["change"] = lambda factor: "–" if factor is None else f"{(factor - 1) * 100:+.1f} %"
templates.env.filters["number"] = lambda value: "–" if value is None else f"{value:,}"
templates.env.filters["moment"] = lambda text: f"{datetime.fromisoformat(text):%d %b %Y %H:%M}" if text else ""
templates.env.filters["amount"] = lambda value: "–" if value is None else f"{value:,.2f}"


def page(
    request: Request, session: SignedIn | None, template: str, *, status_code: int = 200, **context: Any
) -> Response:
    """A rendered page. Who is signed in sees the navigation and stays so."""
    addresses = {"api": f"{settings().api_url}/docs", "dagster": settings().dagster_url}
    shown = {"session": session, "addresses": addresses, **context}
    response = templates.TemplateResponse(request, template, shown, status_code=status_code)
    if session is not None:
        remember(response, session)
    return response
