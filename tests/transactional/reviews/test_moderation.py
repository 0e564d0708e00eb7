"""Moderation: what waits is decided by who may, on the words that they have read, and every decision stays written."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from lakefront.contracts import data_model


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def written(create_user, create_product, deliver, post):
    """``await written(rating=3)``: a review that waits, its author and its product."""

    async def make(**fields: Any) -> tuple[dict[str, Any], Any, dict[str, Any]]:
        user, product = await create_user(name="Ada Lovelace"), await create_product(stock={"main": 5})
        await deliver(user, product)
        answer = await post(user, product, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json(), user, product

    return make


async def test_a_moderator_decides_and_the_log_says_so(client, internal, staff, written, decide, shown) -> None:
    moderator, moderator_id = await staff("moderator")
    review, _, product = await written()
    approved = await decide("approve", review, moderator)
    assert (approved.json()["status"], approved.json()["version"]) == ("approved", 2)
    assert len((await shown(product))["items"]) == 1
    rejected = await decide("reject", approved.json(), moderator, reason="advertising", note="No links, please.")
    assert (rejected.json()["status"], rejected.json()["reason"]) == ("rejected", "advertising")
    assert (await shown(product))["items"] == []
    log = (await client.get("/api/v1/audit", params={"subject": review["review_id"]}, headers=internal)).json()["items"]
    assert [(entry["actor"], entry["action"], entry["details"]) for entry in log] == [
        (moderator_id, "review_rejected", {
            "product_id": product["product_id"], "version": 2, "before": "approved", "reason": "advertising"}),
        (moderator_id, "review_approved", {
            "product_id": product["product_id"], "version": 1, "before": "pending", "reason": None}),
    ]  # fmt: skip


async def test_the_author_sees_why_and_writes_anew(client, written, decide) -> None:
    review, user, _ = await written()
    await decide("reject", review, reason="personal_data", note="Leave out the number.")
    (own,) = (await client.get("/api/v1/users/reviews", headers=user.headers)).json()["items"]
    assert (own["status"], own["reason"], own["note"]) == ("rejected", "personal_data", "Leave out the number.")
    body = {"rating": 4, "title": "Boils fast", "text": "Without the number this time."}
    path = f"/api/v1/users/reviews/{review['review_id']}"
    again = (await client.put(path, json=body, headers=user.headers)).json()
    assert (again["status"], again["reason"], again["note"], again["version"]) == ("pending", None, None, 3)


@pytest.mark.parametrize("role", ["moderator", "merchandiser", "admin"])
async def test_who_may_moderate(client, staff, written, decide, role) -> None:
    headers, _ = await staff(role)
    review, _, _ = await written()
    assert (await client.get("/api/v1/reviews", headers=headers)).status_code == 200
    assert (await decide("approve", review, headers)).status_code == 200


@pytest.mark.parametrize("role", ["shopper", "seller", "support", "analyst"])
async def test_who_may_not_moderate(client, staff, written, decide, role) -> None:
    headers, _ = await staff(role)
    review, _, _ = await written()
    assert refused(await client.get("/api/v1/reviews", headers=headers)) == (403, "forbidden")
    assert refused(await decide("approve", review, headers)) == (403, "forbidden")
    assert refused(await decide("reject", review, headers)) == (403, "forbidden")


async def test_nobody_moderates_their_own_review(staff, written, decide) -> None:
    review, user, _ = await written()
    headers, _ = await staff("moderator", user)
    assert refused(await decide("approve", review, headers)) == (409, "own_review")


async def test_what_was_rewritten_meanwhile_must_be_read_first(client, written, decide) -> None:
    review, user, _ = await written()
    body = {"rating": 1, "title": "Something else", "text": "That no moderator has read."}
    path = f"/api/v1/users/reviews/{review['review_id']}"
    assert (await client.put(path, json=body, headers=user.headers)).status_code == 200
    conflict = await decide("approve", review)
    assert (refused(conflict), conflict.json()["version"]) == ((409, "version_conflict"), 2)


async def test_a_decision_sent_twice_is_one(client, internal, written, decide, shop) -> None:
    review, _, _ = await written()
    answers = await asyncio.gather(*(decide("approve", review) for _ in range(5)))
    assert {(answer.status_code, answer.json()["version"]) for answer in answers} == {(200, 2)}
    log = (await client.get("/api/v1/audit", params={"subject": review["review_id"]}, headers=internal)).json()["items"]
    assert [entry["action"] for entry in log] == ["review_approved"]
    assert [fact["sequence"] for fact in await shop.facts(review["review_id"])] == [1, 2]


async def test_of_approving_and_rejecting_at_once_one_is_done(written, decide, shop) -> None:
    review, _, _ = await written()
    answers = await asyncio.gather(decide("approve", review), decide("reject", review))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    won = next(answer.json()["status"] for answer in answers if answer.status_code == 200)
    statement = "SELECT r.status, rating_count FROM reviews r JOIN products p ON p.id = product_id WHERE r.id = %s"
    ((status, count),) = await shop.sql(statement, review["review_id"])
    assert (status, count) == (won, int(won == "approved"))


async def test_the_queue_begins_with_what_waits_longest_and_is_paged(client, internal, written, decide, shop) -> None:
    reviews = [(await written(title=f"Number {number}"))[0] for number in range(3)]
    ids = [review["review_id"] for review in reviews]
    for days, review_id in ((-3000, ids[1]), (-2000, ids[2]), (-1000, ids[0])):  # before all that other tests wrote
        statement = "UPDATE reviews SET submitted_at = now() + %s * interval '1 day' WHERE id = %s"
        await shop.sql(statement, days, review_id)
    first = (await client.get("/api/v1/reviews?limit=2", headers=internal)).json()
    assert [item["review_id"] for item in first["items"]] == [ids[1], ids[2]]
    params: dict[str, Any] = {"limit": 1, "cursor": first["next_cursor"]}
    second = (await client.get("/api/v1/reviews", params=params, headers=internal)).json()
    (item,) = second["items"]
    assert item["review_id"] == ids[0]
    assert not {"user_id", "user", "order_id", "email"} & item.keys()
    await decide("reject", reviews[1])
    listed: httpx.Response = await client.get("/api/v1/reviews?status=rejected&limit=1", headers=internal)
    assert [one["review_id"] for one in listed.json()["items"]] == [ids[1]]
    bad = await client.get("/api/v1/reviews?cursor=nonsense", headers=internal)
    assert refused(bad) == (422, "invalid_cursor")


async def test_events_say_what_became_of_a_review_and_neither_what_it_says_nor_who_wrote_it(
    client, written, decide, shop
) -> None:
    review, user, product = await written(author="Tea drinker")
    approved = (await decide("approve", review)).json()
    await decide("reject", approved, reason="other", note="A note in words.")
    await client.delete(f"/api/v1/users/reviews/{review['review_id']}", headers=user.headers)
    facts = await shop.facts(review["review_id"])
    told = [(fact["sequence"], fact["data"]["previous"], fact["data"]["status"], fact["data"]["reason"],
             fact["data"]["is_public"]) for fact in facts]  # fmt: skip
    assert told == [
        (1, None, "pending", None, False), (2, "pending", "approved", None, True),
        (3, "approved", "rejected", "other", True), (4, "rejected", "withdrawn", None, False),
    ]  # fmt: skip
    (pseudonym,) = (await shop.sql("SELECT pseudonym::text FROM pseudonyms WHERE user_id = %s", user.user_id))[0]
    for fact in facts:
        data_model(fact["event_type"]).model_validate(fact["data"])
        assert (fact["key"], fact["data"]["product_id"], fact["data"]["user"], fact["data"]["rating"]) == (
            review["review_id"], product["product_id"], pseudonym, 4,
        )  # fmt: skip
        whole = json.dumps(fact)
        for words in ("Boils", "dent", "Tea drinker", "A note", "Ada", "Lovelace", user.user_id, user.email):
            assert words not in whole


class TestAutoApproval:
    """Where the shop shows reviews at once."""

    @pytest.fixture(autouse=True)
    def _at_once(self, settings_with):
        with settings_with(LAKEFRONT_REVIEWS_AUTO_APPROVE="true"):
            yield

    async def test_reviews_are_shown_and_counted_as_they_are_written_and_changed(
        self, client, written, shown, decide
    ) -> None:
        review, user, product = await written(rating=5)
        assert review["status"] == "approved"
        assert (await shown(product))["summary"]["rating_average"] == 5.0
        body = {"rating": 2, "title": "It broke", "text": "After a month the handle came off."}
        path = f"/api/v1/users/reviews/{review['review_id']}"
        changed = (await client.put(path, json=body, headers=user.headers)).json()
        page = await shown(product)
        assert ([item["title"] for item in page["items"]], page["summary"]["stars"]["2"]) == (["It broke"], 1)
        await decide("reject", changed)
        assert (await shown(product))["summary"]["rating_count"] == 0
