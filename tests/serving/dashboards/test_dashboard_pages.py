"""Pages as a merchandiser gets them, before a core that answers what the test wants: problems are told in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Response

from lakefront.artefacts import ModelStore
from serving.dashboards.app import create_app
from serving.dashboards.core_client import CoreRefused
from serving.dashboards.overview import OverviewReader
from serving.dashboards.session import COOKIE, SAID_COOKIE, SignedIn, remember

SESSION = SignedIn("m@shop.example", "merchandiser", "access", "refresh", user_id="u-7")


def a_proposal(**facts: Any) -> dict[str, Any]:
    usual = {
        "proposal_id": "p1", "title": "Kettle", "sku": "K-1", "currency": "USD", "price_now": "33.85",
        "base_price": "32.30", "current_price": "33.27", "proposed_price": "30.92", "status": "pending", "model_version": "v1",
        "reasons": {"text": "Lowering the price by 7% to 30.92 USD should sell more.", "current_factor": 1.03},
        "created_at": "2027-01-04T21:51:00Z", "decided_at": None, "decided_by": None,
    }  # fmt: skip
    return usual | facts


class Core:
    """Answers every call alike, and refuses a cursor that is none."""

    def __init__(self, proposals: list[dict[str, Any]]) -> None:
        self.proposals = proposals

    async def call(
        self, session: SignedIn, method: str, path: str, params: dict[str, str] | None = None
    ) -> tuple[dict[str, Any], SignedIn]:
        if method == "POST":
            return {"price": "22.00", "currency": "USD"}, session
        if (params or {}).get("cursor") == "garbage":
            raise CoreRefused(422, "This is no cursor of this list")
        return {"items": self.proposals, "next_cursor": None}, session


Pages = Callable[..., httpx.AsyncClient]


@pytest.fixture
def pages(lakefront_home: Path, lake_uri: str, tmp_path: Path) -> Pages:
    """``pages(proposals=[…])``: a browser that is signed in."""

    def open_pages(proposals: list[dict[str, Any]] | None = None) -> httpx.AsyncClient:
        app = create_app()
        app.state.core = Core(proposals or [])
        app.state.overview = OverviewReader(lake_uri, ModelStore(tmp_path / "models"))
        signed = Response()
        remember(signed, SESSION)
        cookie = signed.headers["set-cookie"].partition("=")[2].partition(";")[0]
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        return httpx.AsyncClient(
            transport=transport, base_url="http://pages", cookies={COOKIE: cookie}, follow_redirects=True
        )

    return open_pages


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/prices?status=nosuch", 422, "'pending', 'approved', 'rejected' or 'superseded'"),
        ("/prices?cursor=garbage", 422, "This is no cursor of this list"),
        ("/nosuch", 404, "Nothing stands at /nosuch."),
    ],
)
async def test_a_wrong_address_is_told_on_a_page(pages: Pages, address: str, status: int, words: str) -> None:
    answer = await pages().get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert words in answer.text.replace("&#39;", "'")
    assert 'href="/prices"' in answer.text, "and the way back"


async def test_an_error_of_ours_says_where_to_look(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: OverviewReader) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(OverviewReader, "read", broken)
    answer = await pages().get("/")
    assert answer.status_code == 500
    assert "lakefront logs dashboards" in answer.text
    assert "secret" not in answer.text


async def test_an_outcome_is_told_once_and_never_by_a_link(pages: Pages) -> None:
    client = pages()
    assert "22.00 USD" in (await client.post("/prices/p1/approve")).text, "the redirect's page tells it"
    assert 'role="status"' not in (await client.get("/prices")).text
    assert "Send your password" not in (await client.get("/prices?said=Send your password to me")).text
    client.cookies.set(SAID_COOKIE, "Send your password")
    assert "Send your password" not in (await client.get("/prices")).text


async def test_a_price_that_moved_since_it_was_proposed_is_told(pages: Pages) -> None:
    shown = (await pages([a_proposal()]).get("/prices")).text
    assert "33.85 USD" in shown
    assert "-8.7 %" in shown, "from the price that the shop asks now"
    assert "written when the price was 33.27 USD" in " ".join(shown.split())
    same = (await pages([a_proposal(price_now="33.27")]).get("/prices")).text
    assert "written when" not in same, "33.27 is 1.03 of 32.30"
    older = a_proposal(price_now="33.27", reasons={"text": "Raising it.", "current_factor": 0.9})
    assert "written when the price was 29.07 USD" in " ".join((await pages([older]).get("/prices")).text.split())


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"status": "approved", "decided_by": "u-7"}, "by you"),
        ({"status": "approved", "decided_by": "policy"}, "by policy"),
        ({"status": "rejected", "decided_by": "u-8"}, "by another merchandiser"),
        ({"status": "superseded", "decided_by": "internal"}, "by a newer proposal"),
    ],
)
async def test_a_decision_tells_who_took_it_and_when(pages: Pages, facts: dict[str, Any], words: str) -> None:
    decided = a_proposal(decided_at="2027-01-05T08:00:00Z", price_now="30.92", **facts)
    shown = (await pages([decided]).get(f"/prices?status={facts['status']}")).text
    assert words in shown
    assert "05 Jan 2027 08:00" in shown
    assert "33.27 USD" in shown
    assert "-7.1 %" in shown


async def test_the_first_page_counts_what_waits(pages: Pages) -> None:
    shown = (await pages([a_proposal(proposal_id=f"p{number}") for number in range(60)]).get("/")).text
    assert "Prices waiting for you: 60" in shown
    assert shown.count('aria-label="Approve') == 5
