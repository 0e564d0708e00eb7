"""The rules of reviews: who may write one, and the ratings that follow from those that are shown.

A review that its author changes waits again: what is shown is what a moderator has read. Every change of a review changes its
product's rating in the same transaction, and tells of it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from lakefront.card_numbers import refuse_card_number
from lakefront.clock import iso
from lakefront.contracts.reviews import ReviewStatus
from lakefront.ids import new_id
from transactional.accounts.personal import opened_name
from transactional.catalogue import service as catalogue
from transactional.platform.cache import Body, Rendered, RenderedCache
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor
from transactional.platform.database import Connection
from transactional.platform.errors import not_found
from transactional.platform.outbox import tell
from transactional.platform.query import Row, first, rows
from transactional.reviews import store
from transactional.reviews.authors import first_name
from transactional.reviews.errors import PurchaseRequired, ReviewExists
from transactional.reviews.events import changed
from transactional.reviews.schemas import NewReview, Sort

pages = RenderedCache("reviews", one_by=("product",))


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which of a product's reviews."""

    sort: Sort
    rating: int | None
    limit: int
    cursor: str | None


async def product_reviews(core: Core, product_id: UUID, query: ListQuery) -> Rendered:
    """A page of a product's reviews with what all of them say, as bytes. Raises Problem 404."""
    after_rating, after_id = _position(query)

    async def render() -> Body:
        async with core.db.snapshot() as connection:  # the summary is that of the reviews
            product = await first(connection, store.PRODUCT, {"product_id": product_id})
            if product is None:
                raise not_found("product", product_id)
            parameters = {
                "product_id": product["id"],
                "rating": query.rating,
                "after_rating": after_rating,
                "after_id": after_id,
                "limit": query.limit,
            }
            found = await rows(connection, store.LISTS[query.sort], parameters)
        # News names the product: what a variant's address shows of it is kept for a moment only.
        return Body(_page(product, found, query), None if product["id"] == product_id else catalogue.MOMENT_SECONDS)

    return await pages.get((str(product_id), query), render, subject=str(product_id))


def _page(product: Row, found: Sequence[Row], query: ListQuery) -> bytes:
    shown, more = found[: query.limit], len(found) > query.limit
    average = product["rating_average"]
    return orjson.dumps(
        {
            "product_id": product["id"],
            "summary": {
                "rating_average": None if average is None else float(average),
                "rating_count": product["rating_count"],
                "stars": {str(star): count for star, count in enumerate(product["rating_stars"], 1)},
            },
            "items": [_public(review) for review in shown],
            "next_cursor": encode_cursor(query.sort, str(shown[-1]["rating"]), str(shown[-1]["id"])) if more else None,
        }
    )


def _public(review: Row) -> dict[str, Any]:
    edited = review["submitted_at"] > review["created_at"]
    return {
        "review_id": review["id"],
        "rating": review["rating"],
        "title": review["title"],
        "text": review["text"],
        "author": review["author"] or first_name(opened_name(review["user_id"], review["name"])),
        "verified_purchase": True,
        "created_at": iso(review["created_at"]),
        "edited_at": iso(review["submitted_at"]) if edited else None,
    }


def _position(query: ListQuery) -> tuple[int | None, UUID | None]:
    if query.cursor is None:
        return None, None
    sort, rating, review_id = decode_cursor(query.cursor, 3)
    if sort != query.sort or rating not in ("1", "2", "3", "4", "5"):
        raise invalid_cursor()
    return int(rating), cursor_id(review_id)


def cursor_id(text: str) -> UUID:
    """An id that a cursor names. Raises Problem 422."""
    try:
        return UUID(text)
    except ValueError:
        raise invalid_cursor() from None


async def own_reviews(core: Core, user_id: UUID, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of an account's reviews, the newest first, whatever became of them."""
    after_id = None if cursor is None else cursor_id(decode_cursor(cursor, 1)[0])
    async with core.db.connection() as connection:
        found = await rows(connection, store.OF_USER, {"user_id": user_id, "after_id": after_id, "limit": limit})
    more = len(found) > limit
    return {"items": found[:limit], "next_cursor": encode_cursor(str(found[limit - 1]["id"])) if more else None}


async def write(core: Core, user_id: UUID, product_id: UUID, new: NewReview) -> Row:
    """A review of a product that was delivered to the account. Raises Problem 404, PurchaseRequired, ReviewExists, and
    CardNumberRefused."""
    _check_words(new)
    now = core.clock.now()
    async with core.db.transaction() as connection:
        product = await first(connection, store.PRODUCT, {"product_id": product_id})
        if product is None:
            raise not_found("product", product_id)
        parameters = _content(core, new) | {
            "review_id": new_id(),
            "product_id": product["id"],
            "user_id": user_id,
            "now": now,
        }
        if await first(connection, store.WRITE, parameters) is None:
            existing = await first(connection, store.EXISTING, parameters)
            raise PurchaseRequired() if existing is None else ReviewExists(existing["id"])
        review = await settle(connection, parameters["review_id"], None, now)
    forget(review["product_id"])
    return review


async def rewrite(core: Core, user_id: UUID, review_id: UUID, new: NewReview) -> Row:
    """Another text or rating, which waits as a new one does; what is already so changes nothing. Raises Problem 404 and
    CardNumberRefused."""
    _check_words(new)
    now = core.clock.now()
    async with core.db.transaction() as connection:
        before = await _own(connection, user_id, review_id)
        content = _content(core, new)
        if all(before[name] == content[name] for name in ("rating", "title", "text", "author")):
            return before
        await connection.execute(store.REWRITE, content | {"review_id": review_id, "now": now})
        review = await settle(connection, review_id, before, now)
    forget(review["product_id"])
    return review


async def withdraw(core: Core, user_id: UUID, review_id: UUID) -> None:
    """The author takes their review back. Raises Problem 404."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        before = await _own(connection, user_id, review_id)
        await _delete(connection, [before], now)
    forget(before["product_id"])


async def forget_author(connection: Connection, user_id: UUID, now: datetime) -> None:
    """Withdraw all that an account wrote, in the transaction that forgets the account."""
    await _delete(connection, await rows(connection, store.LOCK_ALL_OF, {"user_id": user_id}), now)


async def settle(connection: Connection, review_id: UUID, before: Row | None, now: datetime) -> Row:
    """After a review was written or changed: its product's rating follows, and the world is told. The review as it is."""
    review = await first(connection, store.REVIEW, {"review_id": review_id})
    assert review is not None, "the review's row is locked"
    await _rate(connection, [(before, review)])
    previous: ReviewStatus | None = None if before is None else before["status"]
    await tell(connection, [changed(review, previous, now)])
    return review


def forget(product_id: UUID) -> None:
    """What this worker shows of a product has changed; the others hear of it by the event."""
    catalogue.forget_product(product_id)
    pages.forget(str(product_id))


async def _own(connection: Connection, user_id: UUID, review_id: UUID) -> Row:
    found = await first(connection, store.LOCK, {"review_id": review_id})
    if found is None or found["user_id"] != user_id:
        raise not_found("review", review_id)
    return found


async def _delete(connection: Connection, reviews: Sequence[Row], now: datetime) -> None:
    """Each is of another product, and they come in the order in which products are locked."""
    await connection.execute(store.DELETE, {"review_ids": [review["id"] for review in reviews]})
    pairs = [
        (before, before | {"status": "withdrawn", "reason": None, "version": before["version"] + 1})
        for before in reviews
    ]
    await _rate(connection, pairs)
    await tell(connection, [changed(gone, before["status"], now) for before, gone in pairs])


async def _rate(connection: Connection, changes: Iterable[tuple[Row | None, Row]]) -> None:
    """The products' stars: what was shown before goes, what is shown now comes."""
    rated = [
        {"product_id": after["product_id"], "change": change}
        for before, after in changes
        if any(change := _stars(before, after))
    ]
    if rated:
        async with connection.cursor() as cursor:
            await cursor.executemany(store.RATE, rated)  # sent together, however many


def _stars(before: Row | None, after: Row) -> list[int]:
    """What a review's change adds to the number of each star."""
    change = [0] * 5
    if before is not None and before["status"] == "approved":
        change[before["rating"] - 1] -= 1
    if after["status"] == "approved":
        change[after["rating"] - 1] += 1
    return change


def _content(core: Core, new: NewReview) -> dict[str, Any]:
    return new.model_dump() | {"status": "approved" if core.settings.reviews_auto_approve else "pending"}


def _check_words(new: NewReview) -> None:
    """The request's guard sees the bytes that came; here are the words that people read, in whatever digits and lines."""
    words = " ".join((new.title, new.text, new.author or ""))
    refuse_card_number(" ".join(unicodedata.normalize("NFKC", words).split()), "a review")
