"""How a request finds its route: at once by its exact path, else by the router's search, and always the same one."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI, Request

from transactional.platform.routing import find_exact_paths


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(redirect_slashes=True)

    @app.get("/things/{thing}")
    async def one(thing: str) -> dict[str, str]:
        return {"one": thing}

    @app.get("/things/latest")  # hidden behind the one above
    async def latest() -> dict[str, str]:
        return {"latest": "yes"}

    @app.get("/lists")
    async def lists(request: Request) -> dict[str, str]:
        return {"lists": str(request.url_for("make")), "route": request.scope["route"].path}

    @app.post("/lists")
    async def make() -> dict[str, str]:
        return {"made": "yes"}

    find_exact_paths(app)
    return app


@pytest.fixture
def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://shop", follow_redirects=True)


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/lists", {"lists": "http://shop/lists", "route": "/lists"}),
        ("POST", "/lists", {"made": "yes"}),
        ("GET", "/lists/", {"lists": "http://shop/lists", "route": "/lists"}),
        ("GET", "/things/7", {"one": "7"}),
        ("GET", "/things/latest", {"one": "latest"}),
    ],
)
async def test_a_route_is_the_one_that_the_search_finds(
    client: httpx.AsyncClient, method: str, path: str, answer: dict[str, str]
) -> None:
    async with client:
        assert (await client.request(method, path)).json() == answer


async def test_an_exact_path_is_not_searched_for(app: FastAPI, client: httpx.AsyncClient) -> None:
    app.router.routes.clear()
    async with client:
        assert (await client.post("/lists")).json() == {"made": "yes"}
        assert (await client.get("/things/7")).status_code == 404


async def test_a_wrong_method_is_told_a_right_one(client: httpx.AsyncClient) -> None:
    async with client:
        answer = await client.delete("/lists")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
