"""What holds for every request: problem documents, correlation ids, limits of size and rate, documentation, metrics."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from lakefront.ids import new_id
from lakefront.secrets import secrets
from transactional.platform.authentication import SESSION_ID
from transactional.platform.examples import EXAMPLE_PRODUCT_ID
from transactional.platform.patterns import words_of

Create = Callable[..., Awaitable[Any]]


def from_address(app: FastAPI, address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=(address, 1)), base_url="http://shop")


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/auth/login", {"email": "ada", "password": "x"}, "email: should be an e-mail address, such as ada@example.com"),
        ("/auth/register", {"email": "a@b.example", "password": "12345678", "name": "\0"},
         "name: should be text without NUL characters"),
    ],
)  # fmt: skip
async def test_people_are_told_in_words_what_does_not_fit(
    client: httpx.AsyncClient, path: str, body: dict[str, str], words: str
) -> None:
    answer = await client.post(f"/api/v1{path}", json=body, headers={"X-Session-Id": "words-for-people"})
    assert (answer.status_code, answer.json()["detail"]) == (422, words)


async def test_a_filter_that_does_not_fit_is_told_in_words_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/products", params={"category": "Big Things"})
    words = "category: should be a category of one to five levels in small letters, such as home/kitchen"
    assert (answer.status_code, answer.json()["detail"]) == (422, words)


async def test_every_pattern_of_the_documentation_has_words(app: FastAPI) -> None:
    """But those that Pydantic writes for decimal numbers, whose errors have words of their own, and the session's."""

    def patterns(part: Any) -> set[str]:
        if isinstance(part, list):
            return set().union(*map(patterns, part))
        if not isinstance(part, dict):
            return set()
        own = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
        return own.union(*map(patterns, part.values()))

    found = {one for one in patterns(app.openapi()) if not one.startswith("^(?!^[-+.]*$)")} - {SESSION_ID.pattern}
    assert len(found) > 15
    assert {one for one in found if words_of(one) is None} == set()


async def test_a_correlation_id_is_made_or_taken_over(client: httpx.AsyncClient) -> None:
    made = await client.get("/api/v1/categories")
    assert len(made.headers["x-correlation-id"]) == 36
    taken = await client.get("/api/v1/products/x", headers={"X-Correlation-Id": "order-7"})
    assert taken.headers["x-correlation-id"] == taken.json()["correlation_id"] == "order-7"
    unfit = await client.get("/api/v1/categories", headers={"X-Correlation-Id": "two words\n"})
    assert len(unfit.headers["x-correlation-id"]) == 36


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_huge_body_is_refused(client: httpx.AsyncClient, chunked: bool) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"x" * 1024 * 1024

    content = stream() if chunked else b"x" * 6 * 1024 * 1024
    answer = await client.post("/api/v1/events", content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_wrong_method_says_which_is_right(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/api/v1/products")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


async def test_an_unexpected_error_is_a_problem_too(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr("transactional.catalogue.service.product_page", broken)
    answer = await client.get(f"/api/v1/products/{new_id()}")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"]


async def test_the_rate_limit_is_told_and_kept(app: FastAPI) -> None:
    number = new_id().int
    async with from_address(app, f"172.31.{number % 250}.{number // 250 % 250}") as client:
        answers = [await client.get("/api/v1/categories") for _ in range(101)]
    first, last = answers[0], answers[-1]
    assert first.headers["RateLimit-Policy"] == '"minute";q=100;w=60'
    assert re.fullmatch(r'"minute";r=99;t=\d+', first.headers["RateLimit"])
    statuses = [answer.status_code for answer in answers]
    if first.headers["RateLimit"].rpartition("=")[2] >= last.headers["RateLimit"].rpartition("=")[2]:
        assert statuses == [200] * 100 + [429]
        assert last.json()["code"] == "rate_limited"
        assert int(last.headers["Retry-After"]) <= 60
    else:  # a new minute began meanwhile, with a new budget
        assert statuses.count(429) <= 1


async def test_health_and_metrics_have_no_limit(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/health/live") for _ in range(120)]
    assert {answer.status_code for answer in answers} == {200}


async def test_ready_names_its_parts(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "parts": {"database": "ok", "bus": "ok", "store": "ok"}}


async def test_metrics_name_routes_by_their_template(
    client: httpx.AsyncClient, create_product: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Importing Feast, as other tests of this process do, asks for figures of several processes.
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    product = await create_product()
    await client.get(f"/api/v1/products/{product['product_id']}")
    text = (await client.get("/metrics")).text
    assert 'route="/api/v1/products/{product_id}"' in text
    assert product["product_id"] not in text


async def test_the_documentation_needs_no_foreign_host(client: httpx.AsyncClient) -> None:
    for page in ("/docs", "/redoc"):
        html = (await client.get(page)).text
        assets = re.findall(r'(?:src|href)="([^"]+)"', html)
        assert assets
        for asset in assets:
            assert asset.startswith("/docs/assets/"), asset
            assert (await client.get(asset)).status_code == 200


async def test_the_first_address_leads_to_the_documentation(client: httpx.AsyncClient) -> None:
    browser = await client.get("/", headers={"Accept": "text/html,*/*"})
    assert (browser.status_code, browser.headers["location"]) == (307, "/docs")
    program = (await client.get("/")).json()
    for name in ("documentation", "openapi", "health"):
        assert (await client.get(program[name])).status_code == 200


async def test_the_documentation_names_paths_that_exist_and_asks_no_token_of_who_wants_one(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    for method, path in re.findall(r"`(POST|GET) (/\S+)`", document["info"]["description"]):
        assert method.lower() in document["paths"][path]
    for path in ("/api/v1/auth/register", "/api/v1/auth/login"):
        operation = document["paths"][path]["post"]
        assert "security" not in operation
        assert "X-Session-Id" in str(operation["parameters"])
    assert document["paths"]["/api/v1/orders"]["post"]["security"]
    assert document["paths"]["/api/v1/orders/{order_id}/updates"]["get"]["security"]


async def test_every_operation_is_described(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = f"{method} {path}"
            assert operation.get("summary"), name
            if not path.startswith("/api/"):
                continue
            errors = {code: answer for code, answer in operation["responses"].items() if code >= "400"}
            assert {"429", "503"} <= errors.keys(), name
            for code, answer in errors.items():
                assert "application/problem+json" in answer["content"], f"{name} {code}"
    assert "HTTPValidationError" not in str(document)


async def test_references_of_the_description_exist(client: httpx.AsyncClient) -> None:
    text = (await client.get("/openapi.json")).text
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert referred
    assert referred <= schemas.keys()


async def test_the_clock_moves_in_simulation_mode_only(client: httpx.AsyncClient) -> None:
    headers = {"X-Internal-Key": secrets().internal_key}
    answer = await client.post("/api/v1/simulation/clock", json={"advance_seconds": 60}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_simulating")
    assert (await client.get("/api/v1/simulation/clock")).status_code == 401


async def test_the_examples_of_the_documentation_work(
    client: httpx.AsyncClient, create_product: Create, guest: dict[str, str]
) -> None:
    await create_product(stock={"main": 1_000})
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    order = schemas["OrderRequest"]["examples"][0]
    item = {name: field["examples"][0] for name, field in schemas["AddItem"]["properties"].items()}
    assert EXAMPLE_PRODUCT_ID not in (await client.get("/openapi.json")).text
    assert (await client.post("/api/v1/cart/items", json=item, headers=guest)).status_code == 201
    ordered = await client.post("/api/v1/orders", json=order, headers=guest)
    assert ordered.status_code == 201, ordered.text
    events = document["paths"]["/api/v1/events"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert (await client.post("/api/v1/events", json=events)).json() == {"accepted": 2, "rejected": []}
    account = {
        name: field["examples"][0]
        for name, field in schemas["Registration"]["properties"].items()
        if "examples" in field
    }
    assert (await client.post("/api/v1/auth/register", json=account)).status_code in (201, 409)
    login = {name: field["examples"][0] for name, field in schemas["Login"]["properties"].items()}
    assert (await client.post("/api/v1/auth/login", json=login)).status_code == 200


async def test_who_may_call_is_described(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert paths["/api/v1/users/profile"]["get"]["security"] == [{"Access token": []}]
    assert {} in paths["/api/v1/cart"]["get"]["security"]
    assert {"Internal key": []} in paths["/api/v1/products"]["post"]["security"]


async def test_the_access_log_has_the_fields_of_every_line(client: httpx.AsyncClient, capfdbinary: Any) -> None:
    await client.get("/api/v1/categories", headers={"X-Correlation-Id": "log-1"})
    lines = [orjson.loads(line) for line in capfdbinary.readouterr().out.splitlines() if line.startswith(b"{")]
    line = next(one for one in lines if one["event"] == "request")
    assert (line["correlation_id"], line["route"], line["status"]) == ("log-1", "/api/v1/categories", 200)
    assert {"level", "process", "timestamp", "method", "path", "ms"} <= line.keys()
