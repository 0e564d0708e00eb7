"""GET /recommendations: cards of what serving chose, the fallbacks, the decision told, and the reaction to a click."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from uuid import UUID, uuid4

import orjson
import pyarrow as pa
import pytest

from lakefront.artefacts import ModelStore
from lakefront.bus import CLICKS
from lakefront.clock import real_now
from lakefront.contracts import data_model
from lakefront.ids import new_id
from lakefront.settings import settings
from transactional.recommendations.cards import cards, popular

URL = "/api/v1/recommendations"


@pytest.fixture(autouse=True)
def fresh_caches():
    cards.clear()
    popular.clear()


@pytest.fixture
async def products(shop, create_product):
    """Six products on offer, bought more than whatever other tests sell, and one that is sold out."""
    made = [await create_product(price=f"{10 + number}.50", stock={"main": 600}) for number in range(6)]
    shop.judge("allow")
    items = [{"product_id": product["product_id"], "quantity": 500} for product in made]
    answer = await shop.order({"X-Session-Id": f"session-{new_id()}"}, made[0], items=items)
    assert answer.status_code == 201, answer.text
    return made, await create_product(price="5.00")


async def test_a_stranger_is_shown_popular_products_with_their_prices(client, guest, products):
    offered, sold_out = products
    answer = await client.get(URL, params={"limit": 50}, headers=guest)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    body = answer.json()
    UUID(body["decision_id"])
    assert body["metadata"]["strategy"] == "popular"
    assert body["metadata"]["fallback"] == "no_model"
    assert body["metadata"]["model_version"] is None
    by_id = {item["product_id"]: item for item in body["items"]}
    for product in offered:
        assert by_id[product["product_id"]] == {
            "product_id": product["product_id"], "title": product["title"], "price": product["price"], "currency": "USD",
            "has_variants": False, "image": None, "rating_average": None, "rating_count": 0,
        }  # fmt: skip
    order = list(by_id)
    if sold_out["product_id"] in by_id:
        assert all(order.index(product["product_id"]) < order.index(sold_out["product_id"]) for product in offered)


async def test_a_product_is_shown_once_whichever_of_its_variants_is_liked(shop, guest, create_product):
    stem = new_id().hex[-10:]
    variants = [
        {"sku": f"{stem}-{size}", "options": {"size": size}, "price": price, "stock": {"main": stock}}
        for size, price, stock in (("M", "49.00", 900), ("L", "52.00", 900), ("XL", "40.00", 0))
    ]
    made = await create_product(variants=variants)
    medium, large, _ = (one["variant_id"] for one in made["variants"])
    shop.judge("allow")
    items = [{"product_id": one, "quantity": 800} for one in (medium, large)]
    bought = await shop.order(guest, made, items=items)
    assert bought.status_code == 201, bought.text
    body = (await shop.client.get(URL, params={"limit": 50}, headers=guest)).json()
    (card,) = [item for item in body["items"] if item["product_id"] in (made["product_id"], medium, large)]
    assert (card["product_id"], card["price"], card["has_variants"]) == (made["product_id"], "40.00", True)
    assert body["items"][0] == card  # what two of its variants sold counts as one
    for own in (made["product_id"], large):
        beside = (await shop.client.get(URL, params={"limit": 50, "product_id": own}, headers=guest)).json()
        assert beside["items"], "others are shown"
        assert made["product_id"] not in {item["product_id"] for item in beside["items"]}


async def test_a_product_is_in_stock_while_one_of_its_variants_is(shop, create_product):
    async def card(**stock):
        stem = new_id().hex[-10:]
        variants = [
            {"sku": f"{stem}-{size}", "options": {"size": size}, "stock": {"main": units}}
            for size, units in stock.items()
        ]
        made = await create_product(variants=variants)
        return (await cards.of(shop.core.db, [made["product_id"]]))[made["product_id"]]

    assert (await card(M=0, L=3)).is_in_stock
    assert not (await card(M=0, L=0)).is_in_stock


async def test_products_that_are_withdrawn_are_not_shown(app, client, guest, products):
    withdrawn = products[0][0]["product_id"]
    async with app.state.core.db.connection() as connection:
        await connection.execute("UPDATE products SET status = 'inactive' WHERE id = %s", [withdrawn])
    body = (await client.get(URL, params={"limit": 50}, headers=guest)).json()
    assert withdrawn not in {item["product_id"] for item in body["items"]}


async def test_the_page_of_an_unknown_product_is_a_problem(client, guest):
    answer = await client.get(URL, params={"product_id": str(uuid4())}, headers=guest)
    assert (answer.status_code, answer.json()["code"]) == (404, "product_not_found")


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 51}, {"surface": "nowhere"}, {"product_id": "x"}])
async def test_bad_queries_are_named(client, query):
    answer = await client.get(URL, params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == next(iter(query))


async def test_the_decision_is_told_with_what_was_shown(app, client, guest, products):
    core = app.state.core
    body = (await client.get(URL, params={"limit": 3, "surface": "cart"}, headers=guest)).json()
    found = await find_decision(core, body["decision_id"])
    data = data_model(found["event_type"]).model_validate(found["data"])
    assert [str(product) for product in data.product_ids] == [item["product_id"] for item in body["items"]]
    assert (data.surface, data.session, data.fallback) == ("cart", guest["X-Session-Id"], "no_model")
    assert data.features["has_vector"] is False


async def find_decision(core, decision_id, seconds=10.0):
    """The envelope of a decision, once it is on the bus."""
    deadline = time.monotonic() + seconds
    places = {(CLICKS, partition): 0 for partition in range(core.settings.bus_partitions)}
    while time.monotonic() < deadline:
        for entry in await core.bus.read(dict(places), limit=10_000, wait_ms=50):
            for line in entry.payload.split(b"\n"):
                envelope = orjson.loads(line)
                if envelope["key"] == decision_id:
                    return envelope
        await asyncio.sleep(0.05)
    raise AssertionError(f"decision {decision_id} never came")


async def test_one_click_changes_the_next_answer(lakefront_home, app, client, guest, create_product):
    """The short loop: a click over HTTP, through the bus and the online store, into the next response."""
    from models.recommendation.train import RecommendationSettings, train
    from pipelines.streaming.feature_writer import FeatureWriter, open_store

    core = app.state.core
    groups = [[(await create_product(stock={"main": 9}))["product_id"] for _ in range(6)] for _ in range(2)]
    rows = [
        {"user": f"u{number}-{shopper}", "product_id": product, "kind": "view", "occurred_at": real_now()}
        for number, group in enumerate(groups)
        for shopper in range(12)
        for place, product in enumerate(group)
        if (shopper + place) % 4
    ]
    fitted = train(
        pa.Table.from_pylist(rows), real_now() + timedelta(minutes=1),
        settings=RecommendationSettings(factors=2, iterations=8, threads=1, regularization=0.1),
    )  # fmt: skip
    store = ModelStore()
    version = store.save("recommendation", fitted.save, as_of=real_now(), metrics={}).version
    store.promote("recommendation", version)
    assert core.decisions.models.recommendation.follow(store)

    online, stopping = open_store(settings()), asyncio.Event()
    writer = asyncio.create_task(FeatureWriter(core.bus, online, core.settings.bus_partitions).run(stopping))
    try:
        before = (await client.get(URL, params={"limit": 4}, headers=guest)).json()
        assert before["metadata"]["strategy"] == "popular"
        event = {"event_type": "storefront.product.viewed.v1"}
        event["data"] = {"session": guest["X-Session-Id"], "product_id": groups[1][0]}
        assert (await client.post("/api/v1/events", json={"events": [event]}, headers=guest)).status_code == 202
        deadline = time.monotonic() + 10
        while True:
            after = (await client.get(URL, params={"limit": 4}, headers=guest)).json()
            if after["metadata"]["strategy"] == "session":
                break
            assert time.monotonic() < deadline, after
            await asyncio.sleep(0.05)
    finally:
        stopping.set()
        await writer
        await online.aclose()
    assert after["metadata"] | {"latency_ms": 0} == {
        "strategy": "session", "model_version": version, "fallback": None, "latency_ms": 0
    }  # fmt: skip
    assert {item["product_id"] for item in after["items"]} <= set(groups[1][1:])
