"""The index follows the shop: what is listed, repriced or sold out is in it after the events, exactly where it stopped."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from lakefront.bus import COMMERCE, Pack
from transactional.catalogue import service as catalogue
from transactional.search import building
from transactional.search.building import BuildUnderWay, _alone, build
from transactional.search.index import Generation, IndexLocked, Progress
from transactional.search.news import CONSUMER, EVENTS, NewsLost
from transactional.sellers.tasks import settle_products


async def set_stock(client, internal, product, quantity: int) -> None:
    answer = await client.put(
        f"/api/v1/inventory/{product['product_id']}/quantity",
        json={"quantity": quantity, "warehouse": "main"},
        headers=internal,
    )
    assert answer.status_code == 200, answer.text


async def test_a_product_that_is_listed_is_found_with_its_card(house, create_product) -> None:
    writer = house.writer()
    await writer.open()
    assert house.found("kind", "product") == []
    product = await create_product(
        title="Enamel Kettles",
        category="home/kitchen",
        price="39.90",
        stock={"main": 3},
        attributes={"tags": ["Camping"]},
    )
    await house.catch_up(writer)
    (card,) = house.found("title", "kettl")
    assert card == {
        "product_id": product["product_id"], "sku": product["sku"], "title": "Enamel Kettles",
        "category": "home/kitchen", "brand": None, "currency": "USD", "price": "39.90", "base_price": "39.90",
        "in_stock": True, "seller": None, "has_variants": False, "image": None, "rating_average": None,
        "rating_count": 0, "highest_price": "39.90",
    }  # fmt: skip
    assert house.found("attributes", "camp") == house.found("category_path", "home") == [card]
    assert house.found("category_path", "home/kitchen") == [card]


async def test_a_product_that_is_sold_out_is_still_found_but_as_such(house, client, internal, create_product) -> None:
    writer = house.writer()
    await writer.open()
    product = await create_product(title="Lantern", stock={"main": 3})
    await house.catch_up(writer)
    await set_stock(client, internal, product, 0)
    await house.catch_up(writer)
    assert [card["in_stock"] for card in house.found("title", "lantern")] == [False]
    assert house.found("availability", "in_stock") == []


async def test_a_price_that_changes_is_shown_and_filtered_by(house, client, internal, create_product) -> None:
    writer = house.writer()
    await writer.open()
    product = await create_product(title="Lantern", price="20.00")
    await house.catch_up(writer)
    changes = [{"product_id": product["product_id"], "price": "21.50"}]
    answer = await client.post("/api/v1/pricing/changes", json={"changes": changes}, headers=internal)
    assert answer.status_code == 200, answer.text
    await house.catch_up(writer)
    assert [card["price"] for card in house.found("title", "lantern")] == ["21.50"]


async def test_a_review_that_is_approved_is_shown_and_one_that_waits_is_not_looked_at(
    house, client, internal, shop, create_user, create_product
) -> None:
    writer = house.writer()
    await writer.open()
    product, user = await create_product(title="Lantern", stock={"main": 3}), await create_user()
    order = (await shop.order(user.headers, product)).json()["order_id"]
    await shop.sql("UPDATE orders SET status = 'delivered' WHERE id = %s", order)
    await house.catch_up(writer)
    used = EVENTS.labels("used")._value.get()
    words = {"rating": 4, "title": "Bright", "text": "It lights the whole tent."}
    path = f"/api/v1/products/{product['product_id']}/reviews"
    review = (await client.post(path, json=words, headers=user.headers)).json()
    await house.catch_up(writer)
    assert EVENTS.labels("used")._value.get() == used
    approve = f"/api/v1/reviews/{review['review_id']}/approve"
    await client.post(approve, json={"version": 1}, headers=internal)
    await house.catch_up(writer)
    assert EVENTS.labels("used")._value.get() == used + 1
    assert [(card["rating_average"], card["rating_count"]) for card in house.found("title", "lantern")] == [(4.0, 1)]


async def test_products_are_found_while_their_seller_sells(house, client, internal, create_product) -> None:
    writer = house.writer()
    await writer.open()
    await create_product(title="Lantern", seller="lamps-ab")
    variants = [{"sku": "TORCH-M", "options": {"size": "M"}}]
    await create_product(title="Torch", seller="lamps-ab", variants=variants)
    found = []
    for status in ("active", "suspended", "active"):
        answer = await client.put("/api/v1/sellers/lamps-ab/status", json={"status": status}, headers=internal)
        assert answer.status_code == 200, answer.text
        while await settle_products(house.core):
            pass
        await house.catch_up(writer)
        found.append([card["title"] for card in house.found("seller", "lamps-ab")])
    assert found == [["Lantern", "Torch"], [], ["Lantern", "Torch"]]


async def test_a_writer_goes_on_exactly_where_the_index_stands(house, create_product) -> None:
    first = house.writer()
    await first.open()
    await create_product(title="Before")
    await house.catch_up(first)
    await first.close()
    await create_product(title="Meanwhile")
    await house.relay()
    second = house.writer()
    await second.open()
    assert [card["title"] for card in house.found("kind", "product")] == ["Before"]
    assert await second.read_round(wait_ms=50) > 0
    assert [card["title"] for card in house.found("kind", "product")] == ["Before", "Meanwhile"]
    await second.close()
    third = house.writer()
    await third.open()
    assert await third.read_round(wait_ms=20) == 0  # the commit says that this was read


async def test_a_second_writer_waits_until_the_first_has_gone(house, create_product) -> None:
    first = house.writer()
    await first.open()
    with pytest.raises(IndexLocked):
        await house.writer().open()
    stopping = asyncio.Event()
    waiting = asyncio.create_task(house.writer().run(stopping))
    try:
        await create_product(title="Handed over")
        await house.relay()
        await asyncio.sleep(0.3)
        assert house.found("kind", "product") == []
        await first.close()
        deadline = time.monotonic() + 20
        while not house.found("title", "hand"):
            assert time.monotonic() < deadline, "the second writer did not take over"
            await asyncio.sleep(0.05)
    finally:
        stopping.set()
        await waiting


async def test_what_was_put_but_not_committed_is_read_again(house, create_product) -> None:
    writer = house.writer()
    await writer.open()
    product = await create_product(title="Halfway")
    await house.relay()
    assert writer._generation is not None
    writer._generation.put([(product["product_id"], None)])  # and here its process dies
    await writer.close()
    after = house.writer()
    await after.open()
    assert await after.read_round(wait_ms=50) > 0
    assert [card["title"] for card in house.found("kind", "product")] == ["Halfway"]


async def test_a_gap_in_the_positions_is_noticed_and_healed_by_a_new_generation(house, create_product) -> None:
    writer = house.writer()
    stopping = asyncio.Event()
    await writer.open()
    for number in range(12):
        await create_product(title=f"Known {number:02}")
    await house.catch_up(writer)
    for number in range(12):
        await create_product(title=f"Lost {number:02}")
    await house.relay()
    # The bus lets go of what nobody but the search writer still needs.
    places = {(COMMERCE, number): 0 for number in range(house.core.settings.bus_partitions)}
    for entry in await house.bus.read(places, limit=1000, wait_ms=20):
        await house.bus.trim(entry.stream, entry.partition, entry.offset)
    for number in range(12):
        await create_product(title=f"New {number:02}")
    await house.relay()
    for entry in await house.bus.read(places, limit=1000, wait_ms=20):
        await house.bus.trim(entry.stream, entry.partition, entry.offset)
    with pytest.raises(NewsLost):
        while await writer.read_round(wait_ms=20):
            pass
    await writer.close()
    before = house.folder.current()
    running = asyncio.create_task(house.writer().run(stopping))
    try:
        deadline = time.monotonic() + 20
        while len(house.found("kind", "product")) < 36:
            assert time.monotonic() < deadline, "the index was not built anew"
            await asyncio.sleep(0.05)
    finally:
        stopping.set()
        await running
    assert house.folder.current() != before
    expected = [f"{kind} {number:02}" for kind in ("Known", "Lost", "New") for number in range(12)]
    assert [card["title"] for card in house.found("kind", "product")] == expected


async def test_a_running_writer_shows_a_change_within_five_seconds(house, client, internal, create_product) -> None:
    stopping = asyncio.Event()
    running = asyncio.create_task(house.writer().run(stopping))
    try:
        while house.folder.current() is None:
            await asyncio.sleep(0.05)
        await create_product(title="Quick")
        await house.relay()
        begun = time.monotonic()
        while not house.found("title", "quick"):
            assert time.monotonic() - begun < 5
            await asyncio.sleep(0.05)
    finally:
        stopping.set()
        await running


async def test_a_new_generation_takes_the_place_of_the_old_at_once_and_its_writer_follows(
    house, create_product
) -> None:
    stopping = asyncio.Event()
    running = asyncio.create_task(house.writer().run(stopping))
    try:
        while house.folder.current() is None:
            await asyncio.sleep(0.05)
        old = house.folder.current()
        await create_product(title="Anvil")
        name, number = await build(house.folder, house.core.db, house.bus, house.core.settings.bus_partitions)
        assert (house.folder.current(), number) == (name, 1)
        assert name != old
        await create_product(title="Bellows")
        await house.relay()
        deadline = time.monotonic() + 15
        while [card["title"] for card in house.found("kind", "product")] != ["Anvil", "Bellows"]:
            assert time.monotonic() < deadline, "the writer did not go over to the new generation"
            await asyncio.sleep(0.05)
    finally:
        stopping.set()
        await running


async def test_a_build_that_is_stopped_leaves_the_old_generation_in_force(house, create_product) -> None:
    await create_product(title="Kept")
    partitions = house.core.settings.bus_partitions
    name, _ = await build(house.folder, house.core.db, house.bus, partitions)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await build(house.folder, house.core.db, house.bus, partitions, stop)
    assert house.folder.current() == name
    assert [path.name for path in house.folder.root.glob("v*")] == [name]


async def test_a_build_may_take_longer_than_the_bus_keeps_its_news(
    house, client, internal, create_product, monkeypatch
) -> None:
    products = [await create_product(title=f"Number {number}", stock={"main": 1}) for number in range(6)]
    await house.relay()
    partitions = house.core.settings.bus_partitions
    pages = 0

    async def page_and_life_goes_on(db, after):
        nonlocal pages
        pages += 1
        if pages == 2:  # of a product that was read already
            await set_stock(client, internal, products[0], 0)
            await house.relay()
        elif pages == 4:
            for stream, partition in ((COMMERCE, number) for number in range(partitions)):
                await house.bus.trim(stream, partition, 1 << 62)
            await set_stock(client, internal, products[1], 0)
            await house.relay()
            for stream, partition in ((COMMERCE, number) for number in range(partitions)):
                await house.bus.trim(stream, partition, 1 << 62)
        return await read_page(db, after)

    read_page = building._page
    monkeypatch.setattr(building, "_page", page_and_life_goes_on)
    monkeypatch.setattr(building, "PAGE", 1)
    monkeypatch.setattr(building, "NEWS_SECONDS", 0.0)
    name, number = await build(house.folder, house.core.db, house.bus, partitions)
    writer = house.writer()
    await writer.open()
    await house.catch_up(writer)
    assert (house.folder.current(), number) == (name, 6)
    shown = {card["title"]: card["in_stock"] for card in house.found("kind", "product")}
    assert shown == {f"Number {number}": number > 1 for number in range(6)}


async def test_how_far_was_read_is_committed_though_nothing_concerned_the_index(
    house, create_user, monkeypatch
) -> None:
    from transactional.search import writer as writing

    monkeypatch.setattr(writing, "PROGRESS_SECONDS", 0.0)
    writer = house.writer()
    await writer.open()
    await create_user()
    await house.catch_up(writer)
    await writer.close()
    again = house.writer()
    await again.open()
    assert await again.read_round(wait_ms=20) == 0
    assert sum(again._progress.positions.values()) > 0


async def test_two_builds_at_once_do_not_disturb_each_other(house) -> None:
    house.folder.root.mkdir(parents=True)
    with _alone(house.folder.root / "build.lock"), pytest.raises(BuildUnderWay):
        await build(house.folder, house.core.db, house.bus, house.core.settings.bus_partitions)


async def test_what_cannot_be_read_is_parked_and_holds_nothing_up(house, create_product) -> None:
    writer = house.writer()
    await writer.open()
    await house.bus.publish([Pack(COMMERCE, 0, b'{"event_type":', 1)])
    await create_product(title="Sound")
    await house.catch_up(writer)
    assert [card["title"] for card in house.found("kind", "product")] == ["Sound"]
    (letter,) = await house.bus.dead_letters()
    assert (letter.consumer, letter.payload) == (CONSUMER, b'{"event_type":')


async def test_what_sells_weighs_more_after_a_look_at_the_orders(
    house, client: httpx.AsyncClient, create_product, create_user
) -> None:
    writer = house.writer()
    await writer.open()
    product = await create_product(title="Seller", stock={"main": 50})
    await create_product(title="Dweller", stock={"main": 50})
    await house.catch_up(writer)
    user = await create_user()
    address = {"street": "123 Main St", "city": "Seattle", "state": "WA", "zip": "98101", "country": "US"}
    body = {
        "items": [{"product_id": product["product_id"], "quantity": 7}],
        "shipping_address": address,
        "payment_method": "tok_visa",
    }
    answer = await client.post("/api/v1/orders", json=body, headers=user.headers)
    assert answer.status_code == 201, answer.text
    assert await catalogue.count_popularity(house.core) == 0
    assert await writer.refresh_popularity() == 1
    assert await writer.refresh_popularity() == 0
    assert writer._generation is not None
    assert writer._generation.units_sold() == {product["product_id"]: 7}


async def test_how_far_the_bus_was_read_is_part_of_the_commit(tmp_path) -> None:
    generation = Generation.create(tmp_path / "one")
    told = Progress("a-bus", {(COMMERCE, 0): 1 << 60, (COMMERCE, 3): 5}, {0: 17, 3: 2})
    generation.commit(told)
    generation.put([("x", None)])
    generation.close()
    again = Generation.open(tmp_path / "one")
    assert Progress.of(again.index) == told
    again.close()


async def test_shoppers_see_a_change_within_five_seconds_whatever_was_kept_for_them(
    house, client, from_anywhere, internal, create_product
) -> None:
    async def shown() -> list[tuple[str, str]]:
        async with from_anywhere() as shopper:
            answer = await shopper.get("/api/v1/search", params={"q": "quick lantern"})
        items = answer.json().get("items", []) if answer.status_code == 200 else []
        return [(item["title"], item["price"]) for item in items]

    async def until_shown(expected: list[tuple[str, str]]) -> None:
        begun = time.monotonic()
        while await shown() != expected:
            assert time.monotonic() - begun < 5, f"{expected} was not shown in time"
            await asyncio.sleep(0.05)

    stopping = asyncio.Event()
    running = asyncio.create_task(house.writer().run(stopping))
    try:
        while (await client.get("/api/v1/search?q=quick")).status_code != 200:
            await asyncio.sleep(0.2)
        assert await shown() == []
        product = await create_product(title="Quick lantern", price="20.00")
        await house.relay()
        await until_shown([("Quick lantern", "20.00")])
        changes = [{"product_id": product["product_id"], "price": "21.50"}]
        answer = await client.post("/api/v1/pricing/changes", json={"changes": changes}, headers=internal)
        assert answer.status_code == 200, answer.text
        await house.relay()
        await until_shown([("Quick lantern", "21.50")])
    finally:
        stopping.set()
        await running
