"""What is done to the catalogue and its prices stands in the audit log: one entry for each request, however much it changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from lakefront.ids import new_id
from transactional.importers.catalogue import import_catalogue

Create = Callable[..., Awaitable[dict[str, Any]]]


async def entries(client: httpx.AsyncClient, headers: dict[str, str], subject: str) -> list[tuple[str, str, Any]]:
    """Of a subject, the oldest first: who, what, and the details."""
    answer = await client.get("/api/v1/audit", params={"subject": subject}, headers=headers)
    assert answer.status_code == 200, answer.text
    return [(one["actor"], one["action"], one["details"]) for one in reversed(answer.json()["items"])]


async def test_what_happens_to_one_product_is_found_by_its_id(
    client: httpx.AsyncClient, internal: dict[str, str], create_product: Create
) -> None:
    made = await create_product(price="10.00")
    pricing, product_id = "/api/v1/pricing", made["product_id"]
    change = {"changes": [{"product_id": product_id, "price": "10.50"}]}
    assert (await client.post(f"{pricing}/changes", json=change, headers=internal)).status_code == 200
    currency = f"{pricing}/products/{product_id}/currencies/JPY"
    assert (await client.put(currency, json={"price": 1500}, headers=internal)).status_code == 200
    for _ in range(2):  # the second time there is nothing to take away
        assert (await client.delete(currency, headers=internal)).status_code == 204
    proposals = {"model_version": "audited-1", "proposals": [{"product_id": product_id, "factor": 1.2}]}
    (pending,) = (await client.post(f"{pricing}/proposals", json=proposals, headers=internal)).json()["items"]
    assert pending["status"] == "pending"
    approved = await client.post(f"{pricing}/proposals/{pending['proposal_id']}/approve", headers=internal)
    assert approved.status_code == 200
    assert await entries(client, internal, product_id) == [
        ("internal", "products_listed", {"products": 1, "skus": [made["sku"]]}),
        ("internal", "prices_changed", {"products": 1, "reasons": ["manual"]}),
        ("internal", "currency_price_set", {"currency": "JPY", "price": "1500"}),
        ("internal", "currency_price_removed", {"currency": "JPY"}),
        ("internal", "price_proposal_approved", {"proposal_id": pending["proposal_id"]}),
    ]


async def test_of_many_at_once_there_is_one_entry_which_says_how_many(
    shop: Any, client: httpx.AsyncClient, internal: dict[str, str], tmp_path: Path
) -> None:
    mark, skus = new_id().hex[-10:], [f"{new_id().hex}" for _ in range(25)]
    listed = [{"sku": sku, "title": "x", "category": f"audited-{mark}", "price": "10.00"} for sku in skus]
    made = await client.post("/api/v1/products", json={"products": listed}, headers=internal)
    ids = [one["product_id"] for one in made.json()["items"]]
    changes = {"changes": [{"product_id": one, "factor": 1.05} for one in ids]}
    assert (await client.post("/api/v1/pricing/changes", json=changes, headers=internal)).status_code == 200
    path = tmp_path / "catalogue.csv"
    rows = "".join(f"{mark}-{number},Pan,1.00\n" for number in range(30))
    path.write_text(f"sku,title,price\n{rows}")
    assert (await import_catalogue(shop.core.db, path, [], [f"category=audited-{mark}"])).listed == 30
    assert (await entries(client, internal, "products"))[-3:] == [
        ("internal", "products_listed", {"products": 25, "skus": skus[:20]}),
        ("internal", "prices_changed", {"products": 25, "reasons": ["manual"]}),
        ("import", "products_listed", {"products": 30, "skus": [f"{mark}-{number}" for number in range(20)]}),
    ]


async def test_a_schema_of_attributes_is_noted_with_who_set_it(
    client: httpx.AsyncClient, internal: dict[str, str], create_user: Any, create_product: Create
) -> None:
    path = f"audited-{new_id().hex[-10:]}"
    await create_product(category=path)
    tree = (await client.get("/api/v1/categories")).json()["items"]
    (category,) = [one["category_id"] for one in tree if one["path"] == path]
    url, schema = f"/api/v1/categories/{category}/attribute-schema", {"type": "object", "required": ["material"]}
    assert (await client.put(url, json={"attribute_schema": schema}, headers=internal)).status_code == 200
    shopper = (await create_user()).headers
    assert (await client.put(url, json={"attribute_schema": None}, headers=shopper)).status_code == 403
    assert await entries(client, internal, category) == [
        ("internal", "attribute_schema_set", {"path": path, "attribute_schema": schema})
    ]
