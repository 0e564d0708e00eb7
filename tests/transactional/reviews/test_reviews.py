"""Reviews: by those to whom the product was delivered, one each, shown without telling who they are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lakefront.ids import new_id
from transactional.reviews import service
from transactional.reviews.authors import first_name


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("status", ["pending", "review", "confirmed", "processing", "shipped", "cancelled", "failed"])
async def test_what_was_not_delivered_cannot_be_reviewed(create_user, create_product, deliver, post, status) -> None:
    user, product = await create_user(), await create_product(stock={"main": 5})
    await deliver(user, product, status)
    assert refused(await post(user, product)) == (403, "purchase_required")


async def test_who_did_not_buy_it_cannot_review_it(create_user, create_product, deliver, post) -> None:
    buyer, other, product = await create_user(), await create_user(), await create_product(stock={"main": 5})
    another = await create_product(stock={"main": 5})
    await deliver(buyer, product)
    assert refused(await post(other, product)) == (403, "purchase_required")
    assert refused(await post(buyer, another)) == (403, "purchase_required")
    assert refused(await post(buyer, {"product_id": new_id()})) == (404, "product_not_found")


async def test_who_was_sent_it_reviews_it_by_the_way_of_an_order(
    client, shop, internal, create_user, create_product, post
) -> None:
    user, product = await create_user(), await create_product(stock={"main": 5})
    order_id = (await shop.order(user.headers, product)).json()["order_id"]
    for status in ("processing", "shipped", "delivered"):
        assert refused(await post(user, product)) == (403, "purchase_required")
        moved = await client.put(f"/api/v1/orders/{order_id}/status", json={"status": status}, headers=internal)
        assert moved.status_code == 200, moved.text
    written = await post(user, product)
    assert written.status_code == 201
    review = written.json()
    assert (review["status"], review["rating"], review["product_title"], review["version"]) == (
        "pending", 4, product["title"], 1,
    )  # fmt: skip


async def test_what_was_shipped_has_arrived_on_the_day_on_which_it_was_to(
    create_user, create_product, deliver, post, shop
) -> None:
    user, product = await create_user(), await create_product(stock={"main": 5})
    order_id = await deliver(user, product, "shipped")
    assert refused(await post(user, product)) == (403, "purchase_required")
    await shop.sql("UPDATE orders SET estimated_delivery = %s WHERE id = %s", shop.core.clock.now(), order_id)
    assert (await post(user, product)).status_code == 201


async def test_an_account_reviews_a_product_once_also_at_once(create_user, create_product, deliver, post, shop) -> None:
    user, product = await create_user(), await create_product(stock={"main": 5})
    await deliver(user, product)
    answers = await asyncio.gather(*(post(user, product, rating=rating) for rating in (1, 2, 3, 4, 5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    (review_id,) = {answer.json()["review_id"] for answer in answers}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"review_exists"}
    assert [fact["sequence"] for fact in await shop.facts(review_id)] == [1]


async def test_who_bought_a_variant_reviews_its_product_and_each_variant_shows_it(
    create_user, create_product, deliver, post, decide, shown
) -> None:
    stem = new_id().hex
    sizes = [{"sku": f"{stem}-{one}", "options": {"size": one}, "stock": {"main": 3}} for one in ("M", "L")]
    shirt = await create_product(variants=sizes)
    medium, large = ({"product_id": one["variant_id"]} for one in shirt["variants"])
    user = await create_user()
    await deliver(user, medium)
    review = (await post(user, large)).json()  # by the address of another variant: it is the product's
    assert review["product_id"] == shirt["product_id"]
    assert refused(await post(user, shirt)) == (409, "review_exists")
    await decide("approve", review)
    for address in (shirt, medium, large):
        page = await shown(address)
        assert (page["product_id"], page["summary"]["rating_count"]) == (shirt["product_id"], 1)
        assert [item["review_id"] for item in page["items"]] == [review["review_id"]]


async def test_a_review_is_shown_by_first_name_and_tells_nothing_else_of_its_author(
    client, create_product, reviewed, shown
) -> None:
    product = await create_product(stock={"main": 5})
    user, review = await reviewed(product)
    page = await shown(product)
    (item,) = page["items"]
    assert item | {"created_at": ""} == {
        "review_id": review["review_id"], "rating": 4, "title": "Boils fast",
        "text": "Half a year of daily use and not a dent.", "author": "Ada", "verified_purchase": True,
        "created_at": "", "edited_at": None,
    }  # fmt: skip
    answer = await client.get(f"/api/v1/products/{product['product_id']}/reviews?limit=7")
    assert answer.headers["cache-control"].startswith("public, max-age=1")
    for secret in (user.user_id, user.email, "Lovelace", "example.com", "order_id"):
        assert secret not in answer.text


async def test_an_author_may_choose_another_name(create_product, reviewed, shown) -> None:
    product = await create_product(stock={"main": 5})
    await reviewed(product, author="Tea drinker")
    assert [item["author"] for item in (await shown(product))["items"]] == ["Tea drinker"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ada Lovelace", "Ada"), ("Ada", "Ada"), ("Anne-Marie O'Neill", "Anne-Marie"), ("Åsa", "Åsa"),
        ("", None), ("   ", None), ("王小明", None), ("ada@example.com", None), ("+44 20 7946 0123", None),
        ("Ada99 Lovelace", None), ("A" * 31, None),
    ],
)  # fmt: skip
def test_a_first_name_is_never_a_whole_name_or_an_address(name: str, expected: str | None) -> None:
    assert first_name(name) == expected


async def test_reviews_are_sorted_filtered_and_paged_and_summed_up(create_product, reviewed, shown) -> None:
    product = await create_product(stock={"main": 50})
    ratings = [5, 1, 3, 5, 4]
    ids = {}
    for place, rating in enumerate(ratings):
        ids[(await reviewed(product, rating=rating))[1]["review_id"]] = place
    orders = {"newest": [4, 3, 2, 1, 0], "highest": [3, 0, 4, 2, 1], "lowest": [1, 2, 4, 3, 0]}
    for sort, expected in orders.items():
        seen: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            page = await shown(product, sort=sort, limit=2, **cursor)
            seen += [ids[item["review_id"]] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert (sort, seen) == (sort, expected)
    fives = await shown(product, rating=5)
    assert [ids[item["review_id"]] for item in fives["items"]] == [3, 0]
    assert fives["summary"] == {
        "rating_average": 3.6, "rating_count": 5, "stars": {"1": 1, "2": 0, "3": 1, "4": 1, "5": 2},
    }  # fmt: skip


@pytest.mark.parametrize("query", ["cursor=nonsense", "sort=best", "rating=6", "rating=0", "limit=0"])
async def test_lists_of_reviews_that_cannot_be(client, create_product, query) -> None:
    product = await create_product()
    assert (await client.get(f"/api/v1/products/{product['product_id']}/reviews?{query}")).status_code == 422


async def test_a_cursor_belongs_to_its_sort(client, create_product, reviewed, shown) -> None:
    product = await create_product(stock={"main": 5})
    for _ in range(2):
        await reviewed(product)
    cursor = (await shown(product, limit=1))["next_cursor"]
    path = f"/api/v1/products/{product['product_id']}/reviews"
    answer = await client.get(path, params={"sort": "highest", "cursor": cursor})
    assert refused(answer) == (422, "invalid_cursor")


async def test_products_that_are_not_shown_have_no_reviews_to_show(client, create_product, reviewed, shop) -> None:
    product = await create_product(stock={"main": 5})
    await reviewed(product)
    path = f"/api/v1/products/{product['product_id']}/reviews"
    await shop.sql("UPDATE products SET status = 'inactive' WHERE id = %s", product["product_id"])
    assert refused(await client.get(path)) == (404, "product_not_found")
    assert refused(await client.get(f"/api/v1/products/{new_id()}/reviews")) == (404, "product_not_found")


async def test_a_changed_review_waits_again_and_a_withdrawn_one_is_gone(
    client, create_product, reviewed, decide, shown
) -> None:
    product = await create_product(stock={"main": 5})
    user, review = await reviewed(product, rating=5)
    path = f"/api/v1/users/reviews/{review['review_id']}"
    body = {"rating": 2, "title": "It broke", "text": "After a month the handle came off."}
    changed = await client.put(path, json=body, headers=user.headers)
    assert (changed.status_code, changed.json()["status"], changed.json()["version"]) == (200, "pending", 3)
    page = await shown(product)
    assert (page["items"], page["summary"]["rating_count"], page["summary"]["rating_average"]) == ([], 0, None)
    again = await client.put(path, json=body, headers=user.headers)
    assert again.json()["version"] == 3, "what is already so changes nothing"
    await decide("approve", changed.json())
    (item,) = (await shown(product))["items"]
    assert (item["rating"], item["title"]) == (2, "It broke")
    assert item["edited_at"] > item["created_at"]
    assert (await client.delete(path, headers=user.headers)).status_code == 204
    page = await shown(product)
    assert (page["items"], page["summary"]["rating_count"]) == ([], 0)
    assert refused(await client.delete(path, headers=user.headers)) == (404, "review_not_found")
    assert (await client.get("/api/v1/users/reviews", headers=user.headers)).json()["items"] == []


async def test_nobody_changes_anothers_review_or_reads_it_before_it_is_approved(
    client, create_user, create_product, deliver, post, shown
) -> None:
    user, thief, product = await create_user(), await create_user(), await create_product(stock={"main": 5})
    await deliver(user, product)
    review = (await post(user, product)).json()
    path = f"/api/v1/users/reviews/{review['review_id']}"
    body = {"rating": 1, "title": "Mine now", "text": "Written by somebody else."}
    assert refused(await client.put(path, json=body, headers=thief.headers)) == (404, "review_not_found")
    assert refused(await client.delete(path, headers=thief.headers)) == (404, "review_not_found")
    assert refused(await client.get("/api/v1/users/reviews")) == (401, "not_authenticated")
    assert (await client.get("/api/v1/users/reviews", headers=thief.headers)).json()["items"] == []
    own = (await client.get("/api/v1/users/reviews", headers=user.headers)).json()["items"]
    assert [(item["review_id"], item["status"]) for item in own] == [(review["review_id"], "pending")]
    assert (await shown(product))["items"] == []


async def test_an_accounts_reviews_are_paged(client, create_user, create_product, deliver, post) -> None:
    user = await create_user()
    written = []
    for _ in range(3):
        product = await create_product(stock={"main": 5})
        await deliver(user, product)
        written.append((await post(user, product)).json()["review_id"])
    page = (await client.get("/api/v1/users/reviews?limit=2", headers=user.headers)).json()
    rest = await client.get("/api/v1/users/reviews", params={"cursor": page["next_cursor"]}, headers=user.headers)
    assert [item["review_id"] for item in page["items"] + rest.json()["items"]] == written[::-1]
    assert rest.json()["next_cursor"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "My card is 4242 4242 4242 4242, it was charged twice."},
        {"text": "My card is 4242\n4242\n4242\n4242, it was charged twice."},
        {"text": "My card is ４２４２ ４２４２ ４２４２ ４２４２."},
        {"title": "4242-4242-4242-4242"},
        {"author": "4242424242424242"},
    ],
)
async def test_a_card_number_is_refused(create_user, create_product, deliver, post, fields) -> None:
    user, product = await create_user(), await create_product(stock={"main": 5})
    await deliver(user, product)
    assert refused(await post(user, product, **fields)) == (422, "card_number_refused")


@pytest.mark.parametrize(
    "fields",
    [
        {"rating": 0}, {"rating": 6}, {"rating": 4.5}, {"title": "  a  "}, {"text": "short"}, {"text": "x" * 5_001},
        {"text": "A bell rings: \x07 and again"}, {"title": "two\nlines"}, {"author": "ada@example.com"},
    ],
)  # fmt: skip
async def test_words_and_stars_that_are_not_taken(create_user, create_product, post, fields) -> None:
    user, product = await create_user(), await create_product()
    assert refused(await post(user, product, **fields)) == (422, "invalid_request")


async def test_html_is_text_like_any_other(create_product, reviewed, shown) -> None:
    product = await create_product(stock={"main": 5})
    words = {"title": "<b>Bold</b> & brave", "text": "<script>alert('hello')</script>\n  1 < 2 & so on"}
    await reviewed(product, **words)
    (item,) = (await shown(product))["items"]
    assert {name: item[name] for name in words} == words


async def test_accounts_that_are_forgotten_leave_no_review_and_no_rating(
    create_user, create_product, deliver, post, decide, shop, shown, wide_core
) -> None:
    products = [await create_product(stock={"main": 9}) for _ in range(4)]
    users = [await create_user() for _ in range(4)]
    for place, user in enumerate(users):
        for product in products[place:] + products[:place]:  # each has reviewed them in another order
            await deliver(user, product)
            review = (await post(user, product, rating=place + 1)).json()
            await decide("approve", review)

    async def forget(user: Any) -> None:
        async with wide_core.db.transaction() as connection:
            await service.forget_author(connection, user.user_id, shop.core.clock.now())

    await asyncio.gather(*(forget(user) for user in users[1:]))
    for product in products:
        service.forget(product["product_id"])
        page = await shown(product)
        assert page["summary"] == {
            "rating_average": 1.0, "rating_count": 1, "stars": {"1": 1, "2": 0, "3": 0, "4": 0, "5": 0},
        }  # fmt: skip
        assert [item["rating"] for item in page["items"]] == [1]
    facts = await shop.facts(review["review_id"])
    assert [fact["data"]["status"] for fact in facts] == ["pending", "approved", "withdrawn"]
