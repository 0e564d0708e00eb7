"""The web application: routes only. Figures come from ``figures``, actions go through ``core_client``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from lakefront.settings import settings
from serving.dashboards.core_client import ChallengeOver, CoreClient, CoreRefused, SecondFactorNeeded
from serving.dashboards.overview import Overview, OverviewReader
from serving.dashboards.pages import HERE, page
from serving.dashboards.problems import install_problem_pages
from serving.dashboards.proposals import told
from serving.dashboards.session import ROLES, SignedIn, forget, remember, said, say, signed_in

PROPOSALS_SHOWN, PROPOSALS_FIRST = 50, 5
MOST_COUNTED = 200
"""The longest page that the core gives."""
Status = Literal["pending", "approved", "rejected", "superseded"]


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
    install_problem_pages(app)
    app.get("/health/live")(live)
    app.get("/login", response_class=HTMLResponse)(login_page)
    app.post("/login", response_class=HTMLResponse)(log_in)
    app.post("/login/second-factor", response_class=HTMLResponse)(log_in_with_code)
    app.post("/logout")(log_out)
    app.get("/", response_class=HTMLResponse)(overview_page)
    app.get("/prices", response_class=HTMLResponse)(prices_page)
    app.post("/prices/{proposal_id}/{verdict}")(decide)
    return app


async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


async def login_page(request: Request) -> Response:
    """The form to sign in with."""
    return page(request, None, "login.html")


async def log_in(request: Request, email: Annotated[str, Form()], password: Annotated[str, Form()]) -> Response:
    """Sign in with the core's account; merchandisers and administrators only. Who has a second factor is asked for a code."""
    try:
        session = await request.app.state.core.sign_in(email, password)
    except SecondFactorNeeded as needed:
        return page(request, None, "second_factor.html", challenge=needed.challenge, kind=needed.kind)
    except CoreRefused as refused:
        return page(request, None, "login.html", status_code=refused.status, message=str(refused), email=email)
    return _let_in(request, session)


async def log_in_with_code(
    request: Request,
    challenge: Annotated[str, Form()],
    code: Annotated[str, Form()],
    kind: Annotated[Literal["totp", "sms"], Form()] = "totp",
) -> Response:
    """The second step of signing in."""
    try:
        session = await request.app.state.core.sign_in_with_code(challenge, code)
    except ChallengeOver:
        message = "That took too long. Please sign in once more."
        return page(request, None, "login.html", status_code=401, message=message)
    except CoreRefused as refused:
        again = {"challenge": challenge, "kind": kind, "message": str(refused)}
        return page(request, None, "second_factor.html", status_code=refused.status, **again)
    return _let_in(request, session)


def _let_in(request: Request, session: SignedIn) -> Response:
    if session.role not in ROLES:
        message = "These pages are for merchandisers; this account is not one."
        return page(request, None, "login.html", status_code=403, message=message)
    answer = RedirectResponse("/", status_code=303)
    remember(answer, session)
    return answer


async def log_out(request: Request) -> Response:
    """Sign out."""
    answer = RedirectResponse("/login", status_code=303)
    forget(answer)
    return answer


async def overview_page(request: Request, currency: str = "") -> Response:
    """Today's figures from gold, and the first proposals that wait for a decision."""
    session = signed_in(request)
    overview: Overview = await run_in_threadpool(request.app.state.overview.read, currency)
    body, session = await _proposals(request, session, "pending", MOST_COUNTED)
    waiting = f"{len(body['items'])}{' or more' if body.get('next_cursor') else ''}"
    return page(
        request, session, "overview.html", overview=overview, proposals=body["items"][:PROPOSALS_FIRST], waiting=waiting
    )


async def prices_page(request: Request, status: Status = "pending", cursor: str = "") -> Response:
    """Price proposals by status, each with its reason, and once what became of the last decision."""
    session = signed_in(request)
    body, session = await _proposals(request, session, status, PROPOSALS_SHOWN, cursor)
    response = page(
        request, session, "prices.html", proposals=body["items"], status=status, said=said(request),
        next_cursor=body.get("next_cursor"), limit=settings().price_change_limit,
    )  # fmt: skip
    say(response, None)
    return response


async def decide(request: Request, proposal_id: str, verdict: Literal["approve", "reject"]) -> Response:
    """Approve or reject a proposal through the core; the price in the shop changes with an approval."""
    session = signed_in(request)
    core: CoreClient = request.app.state.core
    try:
        answer, session = await core.call(session, "POST", f"/pricing/proposals/{proposal_id}/{verdict}")
        if verdict == "approve":
            outcome = f"Approved: the price in the shop is now {answer['price']} {answer['currency']}."
        else:
            outcome = "Rejected: the price in the shop stays."
    except CoreRefused as refused:
        outcome = str(refused)
    response = RedirectResponse("/prices", status_code=303)
    remember(response, session)
    say(response, outcome)
    return response


async def _proposals(
    request: Request, session: SignedIn, status: str, limit: int, cursor: str = ""
) -> tuple[dict[str, Any], SignedIn]:
    core: CoreClient = request.app.state.core
    parameters: dict[str, str] = {"status": status, "limit": str(limit)}
    if cursor:
        parameters["cursor"] = cursor
    body, session = await core.call(session, "GET", "/pricing/proposals", params=parameters)
    return body | {"items": [told(proposal) for proposal in body["items"]]}, session
