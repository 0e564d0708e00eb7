"""The bare engine for HTTP benchmarks: typed FastAPI routes that do nothing, on the same server, without our middlewares."""

from __future__ import annotations

import os

from fastapi import FastAPI, Response

BODY = b'{"id":"01a2073b-bdde-7707-bb17-94f8447933aa","title":"' + b"x" * 900 + b'"}'


def create_app() -> FastAPI:
    """One route of the shape of a product page: an identifier in the path, a kilobyte of finished JSON as the answer."""
    app = FastAPI(openapi_url=None)

    @app.get("/products/{product_id}")
    async def product(product_id: str) -> Response:
        return Response(BODY, media_type="application/json")

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
