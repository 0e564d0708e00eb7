"""What moderators do: read what waits, and decide what the shop shows. Every decision stands in the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from transactional.platform import audit
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.cursors import decode_cursor, encode_cursor, invalid_cursor
from transactional.platform.errors import not_found
from transactional.platform.query import Row, first, rows
from transactional.reviews import store
from transactional.reviews.errors import OwnReview, ReviewChangedMeanwhile
from transactional.reviews.schemas import Rejection, Status
from transactional.reviews.service import cursor_id, forget, settle


async def queue(core: Core, status: Status, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of the reviews in a state, what was submitted first first."""
    after_time, after_id = _position(cursor)
    parameters = {"status": status, "after_time": after_time, "after_id": after_id, "limit": limit}
    async with core.db.connection() as connection:
        found = await rows(connection, store.BY_STATUS, parameters)
    following = None
    if len(found) > limit:
        last = found[limit - 1]
        following = encode_cursor(last["submitted_at"].isoformat(), str(last["id"]))
    return {"items": found[:limit], "next_cursor": following}


async def approve(core: Core, caller: Caller, review_id: UUID, version: int) -> Row:
    """The shop shows the review. Raises Problem 404, OwnReview and ReviewChangedMeanwhile."""
    return await _decide(core, caller, review_id, version, {"status": "approved", "reason": None, "note": None})


async def reject(core: Core, caller: Caller, review_id: UUID, rejection: Rejection) -> Row:
    """The shop does not show the review, or no longer. Raises as ``approve`` does."""
    decision = {"status": "rejected", "reason": rejection.reason, "note": rejection.note or None}
    return await _decide(core, caller, review_id, rejection.version, decision)


async def _decide(core: Core, caller: Caller, review_id: UUID, version: int, decision: dict[str, Any]) -> Row:
    """What is decided already stays, so that a decision may be sent twice."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        before = await first(connection, store.LOCK, {"review_id": review_id})
        if before is None:
            raise not_found("review", review_id)
        if caller.user_id is not None and before["user_id"] == caller.user_id:
            raise OwnReview()
        if all(before[name] == wanted for name, wanted in decision.items()):
            return before
        if before["version"] != version:
            raise ReviewChangedMeanwhile(before["version"])
        await connection.execute(store.DECIDE, decision | {"review_id": review_id})
        review = await settle(connection, review_id, before, now)
        await audit.note(
            connection, caller.actor, f"review_{review['status']}", review_id,
            product_id=str(review["product_id"]), version=version, before=before["status"], reason=review["reason"],
        )  # fmt: skip
    forget(review["product_id"])
    return review


def _position(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    if cursor is None:
        return None, None
    time_text, review_id = decode_cursor(cursor, 2)
    try:
        return datetime.fromisoformat(time_text), cursor_id(review_id)
    except ValueError:
        raise invalid_cursor() from None
