"""What reviews tell the world: what became of each, never what it says."""

from __future__ import annotations

from datetime import datetime

from lakefront.contracts.reviews import ReviewChanged, ReviewStatus
from transactional.platform.outbox import Fact
from transactional.platform.query import Row

SOURCE = "transactional.reviews"


def changed(review: Row, previous: ReviewStatus | None, now: datetime) -> Fact:
    """A review as it is since a change, with its author's pseudonym as ``user``."""
    data = ReviewChanged(
        review_id=review["id"],
        product_id=review["product_id"],
        user=review["user"],
        rating=review["rating"],
        previous=previous,
        status=review["status"],
        reason=review["reason"],
        is_public="approved" in (previous, review["status"]),
    )
    return Fact(data, review["version"], now, SOURCE)
