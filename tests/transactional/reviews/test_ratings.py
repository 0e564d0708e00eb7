"""Ratings: exactly what the shown reviews say, also when many change at once; lists are filtered and sorted by them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from lakefront.ids import new_id
from transactional.platform.authentication import Caller
from transactional.reviews import moderation, service, store
from transactional.reviews.command import app as command
from transactional.reviews.schemas import NewReview, Rejection


@pytest.fixture
def racing(create_user, create_product, deliver, post):
    """``await racing(10)``: a product with so many reviews that wait, and their authors."""

    async def make(number: int, rating: Any) -> tuple[dict[str, Any], list[tuple[UUID, UUID]]]:
        product = await create_product(stock={"main": 50})
        pairs = []
        for place in range(number):
            user = await create_user()
            await deliver(user, product)
            review = (await post(user, product, rating=rating(place))).json()
            pairs.append((UUID(review["review_id"]), UUID(user.user_id)))
        return product, pairs

    return make


async def stars(shop: Any, product: dict[str, Any]) -> tuple[Any, ...]:
    statement = "SELECT rating_stars, rating_count, rating_average FROM products WHERE id = %s"
    return (await shop.sql(statement, product["product_id"]))[0]


async def wrong(shop: Any, product: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [row for row in await shop.sql(store.DIFFERENCES) if row[0] == product["sku"]]


def moderator() -> Caller:
    return Caller(None, None, "guest", None, None, "127.0.0.1", True)


async def test_ten_approvals_at_once_all_count(shop, wide_core, racing) -> None:
    product, pairs = await racing(10, lambda place: place % 5 + 1)
    await asyncio.gather(*(moderation.approve(wide_core, moderator(), review_id, 1) for review_id, _ in pairs))
    assert await stars(shop, product) == ([2, 2, 2, 2, 2], 10, Decimal("3.00"))
    assert await wrong(shop, product) == []


async def test_whatever_happens_at_once_a_rating_is_what_the_shown_reviews_say(shop, wide_core, racing) -> None:
    product, pairs = await racing(12, lambda place: 5)
    await asyncio.gather(*(moderation.approve(wide_core, moderator(), review_id, 1) for review_id, _ in pairs))
    new = NewReview(rating=1, title="It broke", text="After a month the handle came off.")
    rejection = Rejection(version=2, reason="not_genuine")
    acts = []
    for place, (review_id, user_id) in enumerate(pairs):
        if place < 4:
            acts.append(service.withdraw(wide_core, user_id, review_id))
        elif place < 8:
            acts.append(service.rewrite(wide_core, user_id, review_id, new))
        elif place < 10:
            acts.append(moderation.reject(wide_core, moderator(), review_id, rejection))
    await asyncio.gather(*acts)
    assert await stars(shop, product) == ([0, 0, 0, 0, 2], 2, Decimal("5.00"))
    await asyncio.gather(*(moderation.approve(wide_core, moderator(), review_id, 3) for review_id, _ in pairs[4:8]))
    assert await stars(shop, product) == ([4, 0, 0, 0, 2], 6, Decimal("2.33"))
    assert await wrong(shop, product) == []


async def test_of_what_happens_to_one_review_at_once_the_rating_is_what_is_left(shop, wide_core, racing) -> None:
    product, pairs = await racing(6, lambda place: 4)
    new = NewReview(rating=2, title="It broke", text="After a month the handle came off.")
    acts = []
    for review_id, user_id in pairs:
        acts += [
            moderation.approve(wide_core, moderator(), review_id, 1),
            service.rewrite(wide_core, user_id, review_id, new),
            service.withdraw(wide_core, user_id, review_id),
        ]
    await asyncio.gather(*acts, return_exceptions=True)
    assert await stars(shop, product) == ([0, 0, 0, 0, 0], 0, None)
    assert await wrong(shop, product) == []
    for review_id, _ in pairs:
        facts = await shop.facts(str(review_id))
        assert [fact["sequence"] for fact in facts] == list(range(1, len(facts) + 1))
        assert facts[-1]["data"]["status"] == "withdrawn"


async def test_the_check_shows_where_a_rating_is_not_what_the_reviews_say(shop, create_product, reviewed) -> None:
    product = await create_product(stock={"main": 5})
    await reviewed(product, rating=5)
    await shop.sql("UPDATE products SET rating_stars = '{0,0,0,0,2}' WHERE id = %s", product["product_id"])
    found = await asyncio.to_thread(CliRunner().invoke, command, ["check"], env={"COLUMNS": "200"})
    assert found.exit_code == 1
    assert product["sku"] in found.output
    assert await wrong(shop, product) == [(product["sku"], [0, 0, 0, 0, 2], [0, 0, 0, 0, 1])]
    await shop.sql("UPDATE products SET rating_stars = '{0,0,0,0,1}' WHERE id = %s", product["product_id"])
    assert await wrong(shop, product) == []


@pytest.mark.parametrize(
    ("given", "average", "expected"),
    [
        ("{25,20,75,80,60}", "3.50", "3.368431"),  # from one star to five
        ("{0,0,0,0,0}", None, "2.047372"),
        ("{0,0,0,0,1}", "5.00", "2.403664"),
        ("{0,0,0,40,160}", "4.80", "4.695052"),
        ("{1,0,0,0,0}", "1.00", "1.736997"),
    ],
)
async def test_a_rank_is_the_average_that_a_product_has_at_least(
    shop, given: str, average: str | None, expected: str
) -> None:
    ((rank, mean),) = await shop.sql("SELECT rating_rank(%s::int[]), rating_average(%s::int[])", given, given)
    assert rank == Decimal(expected)
    assert mean == (None if average is None else Decimal(average))


@pytest_asyncio.fixture
async def shelf(create_product, shop) -> dict[str, Any]:
    """Products of one category by name, with the ratings that so many reviews would give them."""
    category = f"rated-{new_id().hex[-10:]}"
    given = {
        "one_five": "{0,0,0,0,1}",
        "many_good": "{0,0,0,40,160}",
        "bad": "{9,1,0,0,0}",
        "new": None,
        "fair": "{0,0,5,5,0}",
    }
    made: dict[str, Any] = {"category": category}
    for name, numbers in given.items():
        product = await create_product(category=category, stock={"main": 5})
        made[name] = product["product_id"]
        if numbers:
            await shop.sql("UPDATE products SET rating_stars = %s WHERE id = %s", numbers, product["product_id"])
    return made


async def names(client: Any, shelf: dict[str, Any], **params: Any) -> list[str]:
    by_id = {product_id: name for name, product_id in shelf.items()}
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        params = {"category": shelf["category"], "limit": 2, **params, **cursor}
        page = (await client.get("/api/v1/products", params=params)).json()
        seen += [by_id[item["product_id"]] for item in page["items"]]
        if page["next_cursor"] is None:
            return seen
        cursor = {"cursor": page["next_cursor"]}


async def test_one_review_of_five_stars_does_not_beat_two_hundred_of_almost_five(client, shelf) -> None:
    assert await names(client, shelf, sort="rating") == ["many_good", "fair", "one_five", "new", "bad"]


@pytest.mark.parametrize(
    ("least", "expected"),
    [
        ("4", ["many_good", "one_five"]), ("4.8", ["many_good", "one_five"]), ("4.81", ["one_five"]),
        ("3.5", ["fair", "many_good", "one_five"]), ("1", ["fair", "bad", "many_good", "one_five"]),
    ],
)  # fmt: skip
async def test_a_list_holds_what_is_rated_so_at_least(client, shelf, least: str, expected: list[str]) -> None:
    assert await names(client, shelf, rating_min=least) == expected
    counted = (await client.get("/api/v1/facets", params={"category": shelf["category"], "rating_min": least})).json()
    assert counted["products"] == len(expected)


async def test_pages_and_cards_show_the_rating(client, shelf) -> None:
    page = (await client.get(f"/api/v1/products/{shelf['many_good']}")).json()
    assert (page["rating_average"], page["rating_count"]) == (4.8, 200)
    listed = (await client.get("/api/v1/products", params={"category": shelf["category"]})).json()["items"]
    assert {item["product_id"]: (item["rating_average"], item["rating_count"]) for item in listed} == {
        shelf["many_good"]: (4.8, 200), shelf["one_five"]: (5.0, 1), shelf["bad"]: (1.1, 10), shelf["new"]: (None, 0),
        shelf["fair"]: (3.5, 10),
    }  # fmt: skip


async def test_a_variants_page_shows_the_rating_of_its_product(client, create_product, shop) -> None:
    stem = new_id().hex
    shirt = await create_product(variants=[{"sku": f"{stem}-M", "options": {"size": "M"}, "stock": {"main": 3}}])
    await shop.sql("UPDATE products SET rating_stars = '{0,0,0,1,0}' WHERE id = %s", shirt["product_id"])
    page = (await client.get(f"/api/v1/products/{shirt['variants'][0]['variant_id']}")).json()
    assert (page["rating_average"], page["rating_count"]) == (4.0, 1)


async def test_the_worker_that_approves_shows_the_rating_at_once(client, create_product, reviewed) -> None:
    product = await create_product(stock={"main": 5}, category=f"rated-{new_id().hex[-10:]}")
    path = f"/api/v1/products/{product['product_id']}"
    listing = f"/api/v1/products?category={product['category']}"
    assert (await client.get(path)).json()["rating_count"] == 0
    assert (await client.get(listing)).json()["items"][0]["rating_count"] == 0
    await reviewed(product, rating=3)
    assert (await client.get(path)).json()["rating_average"] == 3.0
    assert (await client.get(listing)).json()["items"][0]["rating_average"] == 3.0


@pytest.mark.parametrize("least", ["0", "5.1", "4.001", "much"])
async def test_ratings_that_cannot_be_asked_for(client, least: str) -> None:
    for path in ("/api/v1/products", "/api/v1/facets", "/api/v1/search?q=kettle&"):
        separator = "" if path.endswith("&") else "?"
        answer = await client.get(f"{path}{separator}rating_min={least}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
