"""Who moves into a shop trades with what is sold there: products, and the variants of those that have several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from lakefront.secrets import secrets
from simulator.client import Client
from simulator.world import Plan, World


def listed(product_id: str, title: str, price: str, has_variants: bool) -> dict[str, Any]:
    return {
        "product_id": product_id, "title": title, "category": "clothing/shirts", "brand": None, "price": price,
        "base_price": price, "currency": "USD", "has_variants": has_variants,
    }  # fmt: skip


PAGE = {
    **listed("shirt", "Linen shirt", "49.00", True),
    "category": {"path": "clothing/shirts"},
    "variants": [
        {
            "variant_id": f"shirt-{size}",
            "options": {"size": size},
            "price": price,
            "base_price": price,
            "status": status,
        }
        for size, price, status in (("M", "49.00", "active"), ("L", "52.00", "active"), ("S", "1.00", "discontinued"))
    ],
}


async def answer(request: web.Request) -> web.Response:
    match request.path:
        case "/api/v1/products":
            items = [listed("shirt", "Linen shirt", "49.00", True), listed("cap", "Cap", "9.00", False)]
            return web.json_response({"items": items, "next_cursor": None})
        case "/api/v1/products/shirt":
            return web.json_response(PAGE)
        case "/api/v1/simulation/clock":
            return web.json_response({"offset_seconds": 0.0})
    return web.json_response({"code": "not_found"}, status=404)


async def test_variants_are_what_is_priced_delivered_and_bought(lakefront_home: Path) -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    async with Client(str(server.make_url("")), "internal") as client:
        world = await World.enter(client, Plan(shoppers=20), secrets(), lakefront_home)
    await server.close()
    market = world.market
    assert market.product_ids == ["shirt-M", "shirt-L", "cap"]
    assert list(market.base) == [49.0, 52.0, 9.0]
    assert (market.row_of["shirt"], market.row_of["shirt-L"], market.row_of["cap"]) == (0, 1, 2)
    market.available[:] = False
    market.late_supplier[:] = False
    assert {one["product_id"] for one in market.deliveries()} == {"shirt-M", "shirt-L", "cap"}
