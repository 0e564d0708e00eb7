"""The bare engine for HTTP benchmarks: typed FastAPI routes that do nothing, on the same server, without our middlewares."""

from __future__ import annotations

import os

from fastapi import FastAPI, Response

LIST = b'{"items":[' + b",".join([b'{"title":"' + b"x" * 300 + b'"}'] * 20) + b'],"next_cursor":null}'
BODY = b'{"id":"01a2073b-bdde-7707-bb17-94f8447933aa","title":"' + b"x" * 900 + b'"}'


def create_app() -> FastAPI:
    """Routes of the shape of a product page (an identifier in the path, a kilobyte of finished JSON as the answer) and of a
    list (typed parameters in the query, six kilobytes)."""
    app = FastAPI(openapi_url=None)

    @app.get("/products/{product_id}")
    async def product(product_id: str) -> Response:
        return Response(BODY, media_type="application/json")

    @app.get("/products")
    async def products(
        category: str | None = None,
        sort: str = "newest",
        page: int = 1,
        limit: int = 20,
        price_min: float | None = None,
        price_max: float | None = None,
    ) -> Response:
        return Response(LIST, media_type="application/json")

    return app


def main() -> None:
    """Serve it as the storefront API is served: granian, one worker, uvloop."""
    from granian.constants import Interfaces, Loops
    from granian.server import Server

    Server(
        "bench.bare:create_app", factory=True, interface=Interfaces.ASGI, address="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]), workers=1, loop=Loops.uvloop, websockets=False,
    ).serve()  # fmt: skip


if __name__ == "__main__":
    main()
