"""What browsers and CDNs are told of answers that are kept, the short way to such an answer, and pages of other origins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from lakefront.ids import new_id
from transactional.platform.cache import MEMORY
from transactional.platform.routing import GATEWAY_WEBHOOKS

Create = Callable[..., Awaitable[dict[str, Any]]]
SHOP = "https://shop.example"


def known(path: str, query: bytes = b"") -> bool:
    """Whether the address is answered without routing."""
    return ((path, query) if query else path) in MEMORY.by_target


@pytest.mark.parametrize(
    ("path", "control"),
    [
        ("products/{product_id}", "public, max-age=1, s-maxage=300, stale-while-revalidate=4"),
        ("products/{product_id}?language=de", "public, max-age=1, s-maxage=300, stale-while-revalidate=4"),
        ("products?category={category}", "public, max-age=1, s-maxage=900, stale-while-revalidate=4"),
        ("facets?category={category}", "public, max-age=1, s-maxage=900, stale-while-revalidate=4"),
        ("categories", "public, max-age=300, s-maxage=300, stale-while-revalidate=4"),
    ],
)
async def test_an_answer_is_the_same_by_either_way(
    client: httpx.AsyncClient, create_product: Create, path: str, control: str
) -> None:
    listed = await create_product(category=f"cached/{new_id().hex[-10:]}")
    url = httpx.URL("http://shop/api/v1/" + path.format(**listed))
    assert not known(url.path, url.query)
    by_routing = await client.get(url)
    assert known(url.path, url.query)
    at_once = await client.get(url)
    own = {"x-correlation-id", "ratelimit"}
    assert (at_once.status_code, at_once.content) == (200, by_routing.content)
    assert {name: value for name, value in at_once.headers.items() if name not in own} == {
        name: value for name, value in by_routing.headers.items() if name not in own
    }
    assert at_once.headers.keys() >= own | {"ratelimit-policy"}
    assert at_once.headers["cache-control"] == control
    unchanged = await client.get(url, headers={"If-None-Match": f'"other", W/{at_once.headers["etag"]}'})
    MEMORY.clear()
    by_routing = await client.get(url, headers={"If-None-Match": at_once.headers["etag"]})
    for answer in (unchanged, by_routing):
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == at_once.headers["etag"]
        assert answer.headers["cache-control"] == control


async def test_requests_that_are_answered_at_once_are_counted_by_their_route(
    client: httpx.AsyncClient, create_product: Create, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"/api/v1/products/{(await create_product())['product_id']}"
    await client.get(url)
    capfd.readouterr()
    await client.get(url)
    lines = [line for line in capfd.readouterr().out.splitlines() if url in line]
    assert len(lines) == 1
    assert '"route":"/api/v1/products/{product_id}"' in lines[0]


async def test_what_depends_on_the_caller_is_kept_by_nobody_and_found_by_no_address(
    client: httpx.AsyncClient, guest: dict[str, str], create_user: Callable[..., Awaitable[Any]]
) -> None:
    user = await create_user()
    for path, headers, status in [
        ("/api/v1/cart", guest, 200),
        ("/api/v1/recommendations", guest, 200),
        ("/api/v1/users/profile", user.headers, 200),
        ("/api/v1/users/profile", {}, 401),
        (f"/api/v1/orders/{new_id()}", user.headers, 404),
    ]:
        answer = await client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["cache-control"]) == (status, "private, no-store"), path
        assert not known(path)


async def test_another_method_is_not_answered_by_what_is_kept(
    client: httpx.AsyncClient, create_product: Create
) -> None:
    url = f"/api/v1/products/{(await create_product())['product_id']}"
    assert (await client.get(url)).status_code == 200
    assert (await client.put(url)).status_code == 405


async def test_junk_in_addresses_does_not_fill_the_room(client: httpx.AsyncClient, create_product: Create) -> None:
    url = f"/api/v1/products/{(await create_product())['product_id']}"
    for number in range(10):
        assert (await client.get(url, params={"junk": number})).status_code == 200
    assert sum(target[0] == url for target in MEMORY.by_target if isinstance(target, tuple)) == 4


@pytest_asyncio.fixture
async def open_shop(
    database_url: str, bus_url: str, store_url: str, settings_with: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a shop that another origin's pages may use."""
    from transactional.app import create_app

    MEMORY.clear()
    with settings_with(LAKEFRONT_CORS_ORIGINS=f"{SHOP}/, https://other.example"):
        application = create_app()
        async with application.router.lifespan_context(application):
            transport = httpx.ASGITransport(app=application, client=("172.31.0.9", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as made:
                yield made
    MEMORY.clear()


NOT_A_PAGES_TO_SAY = {"user-agent", "x-internal-key"}
"""The browser's own word, and our processes' key."""
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization, idempotency-key"}


async def test_pages_of_a_named_origin_may_use_the_shop(open_shop: httpx.AsyncClient) -> None:
    asked = await open_shop.options("/api/v1/cart/items/x", headers={"Origin": SHOP, **PREFLIGHT})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, SHOP)
    assert "PUT" in asked.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in asked.headers
    for _ in range(2):  # routed, then at once
        answer = await open_shop.get("/api/v1/categories", headers={"Origin": SHOP})
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "RateLimit" in answer.headers["access-control-expose-headers"]
        assert "Origin" in answer.headers["vary"]
    plain = await open_shop.get("/api/v1/categories")
    assert "access-control-allow-origin" not in plain.headers
    assert plain.headers["vary"] == "Origin"  # or a CDN would give this answer to pages


async def test_pages_may_use_every_operation_that_the_documentation_names(open_shop: httpx.AsyncClient) -> None:
    """But those of our own processes, of gateways and of scrapers, which are no pages."""
    paths: dict[str, dict[str, Any]] = (await open_shop.get("/openapi.json")).json()["paths"]
    operations = [
        (method.upper(), operation)
        for path, methods in paths.items()
        if not path.startswith(GATEWAY_WEBHOOKS)
        for method, operation in methods.items()
    ]
    sent = {
        parameter["name"].lower()
        for _, operation in operations
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    } | {"authorization", "content-type", "if-none-match", "x-correlation-id"}
    asked = {"Access-Control-Request-Headers": ", ".join(sorted(sent - NOT_A_PAGES_TO_SAY))}
    for method in {method for method, _ in operations}:
        preflight = {"Origin": SHOP, "Access-Control-Request-Method": method, **asked}
        answer = await open_shop.options("/api/v1/products/x", headers=preflight)
        assert (method, answer.status_code, answer.text) == (method, 200, "OK")
    assert {"PATCH", "DELETE"} <= {method for method, _ in operations}
    assert {"last-event-id", "idempotency-key"} <= sent


async def test_pages_of_other_origins_may_not(open_shop: httpx.AsyncClient) -> None:
    stranger = {"Origin": "https://evil.example"}
    assert (await open_shop.options("/api/v1/cart", headers=stranger | PREFLIGHT)).status_code == 400
    assert "access-control-allow-origin" not in (await open_shop.get("/api/v1/categories", headers=stranger)).headers


async def test_where_no_origin_is_named_none_may(client: httpx.AsyncClient) -> None:
    assert (await client.options("/api/v1/categories", headers={"Origin": SHOP, **PREFLIGHT})).status_code == 405
    answer = await client.get("/api/v1/categories", headers={"Origin": SHOP})
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (200, None)
