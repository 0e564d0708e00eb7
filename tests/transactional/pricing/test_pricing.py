"""Proposals, approval, bulk changes and quotes through the API."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter

from lakefront.ids import new_id
from serving.decisions import PriceFactor, PriceFactors


async def propose(shop, internal, product, factor, version="pricing-7"):
    body = {"model_version": version, "proposals": [
        {"product_id": product["product_id"], "factor": factor, "reasons": {"elasticity": -2.0, "text": "Demand is elastic."}}
    ]}  # fmt: skip
    return await shop.client.post("/api/v1/pricing/proposals", json=body, headers=internal)


async def price(shop, product):
    answer = await shop.client.get("/api/v1/pricing/quotes", params={"product_id": product["product_id"]})
    return answer.json()["items"][0]


async def test_an_approved_proposal_changes_the_price_once(shop, create_product, create_user, internal):
    product = await create_product(price="10.00", stock={"main": 5})
    proposal = (await propose(shop, internal, product, 1.1)).json()["items"][0]
    assert (proposal["status"], proposal["proposed_price"]) == ("pending", "11.00")
    assert (await price(shop, product))["price"] == "10.00"
    url = f"/api/v1/pricing/proposals/{proposal['proposal_id']}/approve"
    assert (await shop.client.post(url, headers=(await create_user()).headers)).status_code == 403
    answers = await asyncio.gather(*(shop.client.post(url, headers=internal) for _ in range(4)))
    assert Counter(a.status_code for a in answers) == {200: 1, 409: 3}
    quoted = await price(shop, product)
    assert (quoted["price"], quoted["base_price"], quoted["factor"]) == ("11.00", "10.00", 1.1)
    order = (await shop.order({"X-Session-Id": f"session-{new_id()}"}, product)).json()
    assert order["total_amount"] == "11.00"
    told = [f for f in await shop.facts(product["product_id"]) if f["event_type"] == "pricing.price.changed.v1"]
    assert [(f["data"]["reason"], f["data"]["model_version"]) for f in told][-1] == ("proposal", "pricing-7")
    history = await shop.client.get(f"/api/v1/pricing/products/{product['product_id']}/history", headers=internal)
    assert history.json()["items"][0]["price"] == "11.00"


async def test_a_newer_proposal_supersedes_and_a_small_one_needs_nobody(shop, create_product, internal):
    product = await create_product(price="10.00")
    first = (await propose(shop, internal, product, 1.1)).json()["items"][0]
    rejected = (await propose(shop, internal, product, 0.9)).json()["items"][0]
    late = await shop.client.post(f"/api/v1/pricing/proposals/{first['proposal_id']}/approve", headers=internal)
    assert (late.status_code, late.json()["code"]) == (409, "proposal_decided")
    no = await shop.client.post(f"/api/v1/pricing/proposals/{rejected['proposal_id']}/reject", headers=internal)
    assert no.json()["status"] == "rejected"
    small = (await propose(shop, internal, product, 1.02)).json()["items"][0]
    assert small["status"] == "approved"
    assert (await price(shop, product))["price"] == "10.20"
    rows = await shop.sql("SELECT status FROM price_proposals WHERE product_id = %s ORDER BY id", product["product_id"])
    assert [r[0] for r in rows] == ["superseded", "rejected", "approved"]


async def test_prices_keep_within_twenty_percent(shop, create_product, internal):
    product, other = await create_product(price="10.00"), await create_product(price="10.00")
    beyond = await propose(shop, internal, product, 1.21)
    assert (beyond.status_code, beyond.json()["code"]) == (422, "price_beyond_limit")
    for field in ({"price": "12.01"}, {"factor": 0.79}):
        changes = [{"product_id": other["product_id"], "factor": 1.05}, {"product_id": product["product_id"], **field}]
        answer = await shop.client.post("/api/v1/pricing/changes", json={"changes": changes}, headers=internal)
        assert (answer.status_code, answer.json()["product_ids"]) == (422, [product["product_id"]])
    assert (await price(shop, other))["price"] == "10.00"  # all or none


async def test_bulk_changes_are_audited_and_told(shop, create_product, internal):
    products = [await create_product(price="10.00") for _ in range(3)]
    changes = [{"product_id": p["product_id"], "factor": 0.95, "reason": "exploration"} for p in products]
    answer = await shop.client.post("/api/v1/pricing/changes", json={"changes": changes}, headers=internal)
    assert [i["price"] for i in answer.json()["items"]] == ["9.50"] * 3
    for product in products:
        told = await shop.facts(product["product_id"])
        assert [f["sequence"] for f in told] == list(range(1, len(told) + 1))
        assert (told[-1]["data"]["reason"], told[-1]["data"]["price"]) == ("exploration", "9.50")


async def test_proposals_are_listed_by_page(shop, create_product, internal):
    mine = {
        (await propose(shop, internal, await create_product(), 1.15)).json()["items"][0]["proposal_id"]
        for _ in range(3)
    }
    seen, cursor = [], None
    while len(mine - set(seen)) > 0:
        parameters = {"status": "pending", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await shop.client.get("/api/v1/pricing/proposals", params=parameters, headers=internal)).json()
        seen += [item["proposal_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        assert cursor or mine <= set(seen)
    assert len(seen) == len(set(seen))
    bad = await shop.client.get("/api/v1/pricing/proposals", params={"cursor": "nonsense"}, headers=internal)
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_cursor")


async def test_a_quote_follows_the_published_factor_only_if_it_was_approved(shop, create_product, internal):
    product = await create_product(price="10.00")
    proposal = (await propose(shop, internal, product, 1.1)).json()["items"][0]
    published = PriceFactors({product["product_id"]: PriceFactor(1.1, proposal["proposal_id"], "pricing-7")}, None, 1.0)
    logged = []

    class Published:
        async def price_factors(self, product_ids):
            return published

    class Watching:
        def log_decision(self, message):
            logged.append(message)

        def __getattr__(self, name):
            return getattr(publisher, name)

    publisher = shop.core.publisher
    shop.app.state.core = dataclasses.replace(shop.core, decisions=Published(), publisher=Watching())
    assert (await price(shop, product))["price"] == "10.00"  # published, but nobody approved it
    await shop.client.post(f"/api/v1/pricing/proposals/{proposal['proposal_id']}/approve", headers=internal)
    assert (await price(shop, product))["price"] == "11.00"
    assert len(logged) == 2


async def test_the_store_being_down_leaves_the_price_as_it_is(shop, create_product):
    product = await create_product(price="10.00")
    shop.app.state.core = dataclasses.replace(shop.core, decisions=_Down())
    answer = await shop.client.get("/api/v1/pricing/quotes", params={"product_id": product["product_id"]})
    assert answer.json()["items"][0]["price"] == "10.00"
    assert answer.json()["metadata"]["fallback"] == "store_down"
    unknown = await shop.client.get("/api/v1/pricing/quotes", params={"product_id": str(new_id())})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "product_not_found")


class _Down:
    async def price_factors(self, product_ids):
        return PriceFactors({}, "store_down", 50.0)


async def test_a_price_in_another_currency_is_an_event_of_the_product(shop, client, internal, create_product):
    product = await create_product(price="10.00", currency="USD")
    url = f"/api/v1/pricing/products/{product['product_id']}/currencies/JPY"
    assert (await client.put(url, json={"price": "1500"}, headers=internal)).status_code == 200
    assert (await client.delete(url, headers=internal)).status_code == 204
    assert (await client.delete(url, headers=internal)).status_code == 204  # nothing changes, nothing is told
    told = [
        (fact["sequence"], fact["data"]["currency"], fact["data"]["price"])
        for fact in await shop.facts(product["product_id"])
        if fact["event_type"] == "pricing.currency_price.changed.v1"
    ]
    assert told == [(3, "JPY", "1500"), (4, "JPY", None)]


async def test_another_list_price_is_charged_and_the_limit_is_measured_from_it(shop, create_product, internal):
    url = "/api/v1/pricing/changes"
    product, other = await create_product(price="10.00"), await create_product(price="10.00")
    changes = [
        {"product_id": product["product_id"], "base_price": "30.00"},
        {"product_id": other["product_id"], "base_price": "20", "factor": 0.9},
    ]
    answer = await shop.client.post(url, json={"changes": changes}, headers=internal)
    assert [item["price"] for item in answer.json()["items"]] == ["30.00", "18.00"]
    quoted = await price(shop, product)
    assert (quoted["price"], quoted["base_price"], quoted["factor"]) == ("30.00", "30.00", 1.0)
    quoted = await price(shop, other)
    assert (quoted["price"], quoted["base_price"], quoted["factor"]) == ("18.00", "20.00", 0.9)
    told = (await shop.facts(product["product_id"]))[-1]["data"]
    assert (told["base_price"], told["previous_price"], told["price"]) == ("30.00", "10.00", "30.00")
    history = await shop.client.get(f"/api/v1/pricing/products/{product['product_id']}/history", headers=internal)
    assert [(one["base_price"], one["price"]) for one in history.json()["items"]] == [
        ("30.00", "30.00"), ("10.00", "10.00"),
    ]  # fmt: skip
    for fields, code in (
        ({"base_price": "50.00", "price": "30.00"}, "price_beyond_limit"),
        ({"base_price": "1.005"}, "too_many_decimals"),
        ({}, "invalid_request"),
    ):
        change = {"product_id": product["product_id"], **fields}
        refused = await shop.client.post(url, json={"changes": [change]}, headers=internal)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await price(shop, product))["price"] == "30.00"


async def test_a_variants_list_price_is_that_of_its_product_where_it_is_the_cheapest(shop, create_product, internal):
    stem = new_id().hex[-10:]
    variants = [{"sku": f"{stem}-{one}", "options": {"size": one}, "price": p} for one, p in (("M", "10"), ("L", "12"))]
    made = await create_product(variants=variants)
    changes = [{"product_id": made["variants"][0]["variant_id"], "base_price": "15.00"}]
    assert (await shop.client.post("/api/v1/pricing/changes", json={"changes": changes}, headers=internal)).is_success
    page = (await shop.client.get(f"/api/v1/products/{made['product_id']}")).json()
    assert (page["price"], page["base_price"]) == ("12.00", "12.00")
