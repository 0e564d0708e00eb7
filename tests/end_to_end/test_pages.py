"""The pages as people see them, in a real browser: a merchandiser decides on a price, a shopper's developer reads the API."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from lakefront.ids import new_id
from lakefront.runtime.checks import CHROMIUM_NAMES
from lakefront.secrets import secrets
from lakefront.settings import Settings

CHROMIUM = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MERCHANDISER = "merchandiser@lakefront.example"

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine to look at pages with"),
]


class Watched:
    """A page, and what went wrong on it: errors on its console, requests to other hosts."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: self._look_at(request.url))

    def _look_at(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1", "data:", "blob:")):
            self.foreign.append(url)


@pytest.fixture
def browser_page(shop: Settings) -> Iterator[Watched]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.set_default_timeout(20_000)
        yield Watched(page)
        browser.close()


def call(shop: Settings, method: str, path: str, body: Any = None) -> Any:
    headers = {"X-Internal-Key": secrets().internal_key}
    answer = httpx.request(method, f"{shop.api_url}/api/v1{path}", json=body, headers=headers, timeout=20)
    assert answer.status_code < 400, answer.text
    return answer.json()


def a_proposal(shop: Settings, factor: float = 1.1) -> tuple[str, str]:
    """A product at 20.00 with a pending proposal; returns its id and its title."""
    title = f"Kettle {new_id().hex[-8:]}"
    product = {"sku": f"K-{new_id().hex[-10:]}", "title": title, "category": "home/kitchen", "currency": "USD"}
    listed = call(shop, "POST", "/products", {"products": [product | {"price": "20.00", "stock": {"main": 5}}]})
    product_id = listed["items"][0]["product_id"]
    reasons = {"elasticity": -1.2, "text": "Few are left and demand holds: a higher price earns more."}
    proposal = {"product_id": product_id, "factor": factor, "reasons": reasons}
    call(shop, "POST", "/pricing/proposals", {"model_version": "test", "proposals": [proposal]})
    return product_id, title


def sign_in(watched: Watched, shop: Settings, password: str) -> None:
    watched.page.goto(f"{shop.dashboards_url}/")
    watched.page.fill("[name=email]", MERCHANDISER)
    watched.page.fill("[name=password]", password)
    watched.page.click("main button")


def price_of(shop: Settings, product_id: str) -> Decimal:
    return Decimal(call(shop, "GET", f"/pricing/quotes?product_id={product_id}")["items"][0]["price"])


def test_an_approved_proposal_changes_the_price_in_the_shop(shop: Settings, browser_page: Watched) -> None:
    product_id, title = a_proposal(shop)
    sign_in(browser_page, shop, secrets().merchandiser_password)
    browser_page.page.wait_for_url(f"{shop.dashboards_url}/")
    browser_page.page.goto(f"{shop.dashboards_url}/prices")
    assert price_of(shop, product_id) == Decimal("20.00")
    browser_page.page.get_by_label(f"Approve {title}").click()
    said = browser_page.page.get_by_role("status").inner_text()
    assert "22.00" in said
    assert price_of(shop, product_id) == Decimal("22.00")
    assert browser_page.errors == []
    assert browser_page.foreign == []


def test_a_rejected_proposal_changes_nothing_and_stands_under_rejected(shop: Settings, browser_page: Watched) -> None:
    product_id, title = a_proposal(shop, factor=0.9)
    sign_in(browser_page, shop, secrets().merchandiser_password)
    browser_page.page.wait_for_url(f"{shop.dashboards_url}/")
    browser_page.page.goto(f"{shop.dashboards_url}/prices")
    browser_page.page.get_by_label(f"Reject {title}").click()
    browser_page.page.get_by_role("status").wait_for()
    assert price_of(shop, product_id) == Decimal("20.00")
    browser_page.page.goto(f"{shop.dashboards_url}/prices?status=rejected")
    assert browser_page.page.get_by_text(title).count() == 1


def test_a_wrong_password_is_told_and_shows_no_figures(shop: Settings, browser_page: Watched) -> None:
    sign_in(browser_page, shop, "not the password at all")
    browser_page.page.get_by_role("alert").wait_for()
    assert "figures" not in browser_page.page.inner_text("main").lower()
    browser_page.page.goto(f"{shop.dashboards_url}/prices")
    assert browser_page.page.url.endswith("/login")


def test_the_api_documentation_opens_without_any_other_host(shop: Settings, browser_page: Watched) -> None:
    browser_page.page.goto(f"{shop.api_url}/docs")
    browser_page.page.locator(".opblock-summary-path").first.wait_for()
    assert "/api/v1/orders" in browser_page.page.inner_text("#swagger-ui").replace("\u200b", "")
    assert browser_page.foreign == []
    assert browser_page.errors == []
