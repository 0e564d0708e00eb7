"""The web application: routes only. Figures come from ``figures``, actions go through ``core_client``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from lakefront.settings import settings
from serving.dashboards.core_client import CoreAway, CoreClient, CoreRefused
from serving.dashboards.overview import Overview, OverviewReader
from serving.dashboards.session import ROLES, NotSignedIn, SignedIn, forget, remember, signed_in

HERE = Path(__file__).parent
PROPOSALS_SHOWN = 50

templates = Jinja2Templates(HERE / "templates")
templates.env.filters["percent"] = lambda share, digits=1: "–" if share is None else f"{share * 100:.{digits}f} %"
templates.env.filters["change"] = lambda factor: f"{(factor - 1) * 100:+.1f} %"
templates.env.filters["number"] = lambda value: "–" if value is None else f"{value:,}"
templates.env.filters["amount"] = lambda value: "–" if value is None else f"{value:,.2f}"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.core = CoreClient()
    app.state.overview = OverviewReader()
    yield
    await app.state.core.close()


def create_app() -> FastAPI:
    """The merchandisers' pages."""
    app = FastAPI(
        title="Lakefront for merchandisers", lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_exception_handler(NotSignedIn, _to_login)
    app.add_exception_handler(CoreAway, _core_away)
    app.get("/health/live")(live)
    app.get("/login", response_class=HTMLResponse)(login_page)
    app.post("/login", response_class=HTMLResponse)(log_in)
    app.post("/logout")(log_out)
    app.get("/", response_class=HTMLResponse)(overview_page)
    app.get("/prices", response_class=HTMLResponse)(prices_page)
    app.post("/prices/{proposal_id}/{verdict}")(decide)
    return app


async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


async def _to_login(request: Request, _error: Exception) -> Response:
    return RedirectResponse("/login", status_code=303)


async def _core_away(request: Request, error: Exception) -> Response:
    return templates.TemplateResponse(
        request, "problem.html", {"message": str(error), "session": None}, status_code=503
    )


async def login_page(request: Request) -> Response:
    """The form to sign in with."""
    return templates.TemplateResponse(request, "login.html", {"message": None, "session": None})


async def log_in(request: Request, email: Annotated[str, Form()], password: Annotated[str, Form()]) -> Response:
    """Sign in with the core's account; merchandisers and administrators only."""
    try:
        session = await request.app.state.core.sign_in(email, password)
    except CoreRefused as refused:
        context = {"message": str(refused), "session": None, "email": email}
        return templates.TemplateResponse(request, "login.html", context, status_code=refused.status)
    if session.role not in ROLES:
        context = {"message": "These pages are for merchandisers; this account is not one.", "session": None}
        return templates.TemplateResponse(request, "login.html", context, status_code=403)
    answer = RedirectResponse("/", status_code=303)
    remember(answer, session)
    return answer


async def log_out(request: Request) -> Response:
    """Sign out."""
    answer = RedirectResponse("/login", status_code=303)
    forget(answer)
    return answer


async def overview_page(request: Request) -> Response:
    """Today's figures from gold, and the first proposals that wait for a decision."""
    session = signed_in(request)
    overview: Overview = await run_in_threadpool(request.app.state.overview.read)
    body, session = await _proposals(request, session, "pending", 5)
    return _page(request, session, "overview.html", overview=overview, proposals=body["items"])


async def prices_page(request: Request, status: str = "pending", said: str = "", cursor: str = "") -> Response:
    """Price proposals by status, each with its reason."""
    session = signed_in(request)
    overview: Overview = await run_in_threadpool(request.app.state.overview.read)
    body, session = await _proposals(request, session, status, PROPOSALS_SHOWN, cursor)
    return _page(
        request, session, "prices.html", overview=overview, proposals=body["items"], status=status, said=said,
        next_cursor=body.get("next_cursor"), limit=settings().price_change_limit,
    )  # fmt: skip


async def decide(request: Request, proposal_id: str, verdict: str) -> Response:
    """Approve or reject a proposal through the core; the price in the shop changes with an approval."""
    session = signed_in(request)
    if verdict not in ("approve", "reject"):
        return RedirectResponse("/prices?said=A proposal can be approved or rejected.", status_code=303)
    core: CoreClient = request.app.state.core
    try:
        answer, session = await core.call(session, "POST", f"/pricing/proposals/{proposal_id}/{verdict}")
        if verdict == "approve":
            said = f"Approved: the price in the shop is now {answer['price']}."
        else:
            said = "Rejected: the price in the shop stays."
    except CoreRefused as refused:
        said = str(refused)
    response = RedirectResponse(request.url_for("prices_page").include_query_params(said=said), status_code=303)
    remember(response, session)
    return response


async def _proposals(
    request: Request, session: SignedIn, status: str, limit: int, cursor: str = ""
) -> tuple[dict[str, Any], SignedIn]:
    core: CoreClient = request.app.state.core
    parameters: dict[str, str] = {"status": status, "limit": str(limit)}
    if cursor:
        parameters["cursor"] = cursor
    return await core.call(session, "GET", "/pricing/proposals", params=parameters)


def _page(request: Request, session: SignedIn, template: str, **context: Any) -> Response:
    addresses = {"api": f"{settings().api_url}/docs", "dagster": settings().dagster_url}
    response = templates.TemplateResponse(request, template, {"session": session, "addresses": addresses, **context})
    remember(response, session)
    return response
