"""Facts about reviews that leave by the outbox: what was decided about them, never what they say or who wrote them."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from lakefront.contracts.envelope import EventData

ReviewStatus = Literal["pending", "approved", "rejected", "withdrawn"]
RejectionReason = Literal["off_topic", "offensive", "personal_data", "advertising", "not_genuine", "illegal", "other"]


class ReviewChanged(EventData):
    """A review was written, rewritten, approved, rejected, or withdrawn by its author. Sequence: the version of the review."""

    event_type: ClassVar = "reviews.review.changed.v1"
    key_field: ClassVar = "review_id"

    review_id: UUID
    product_id: UUID
    """Never a variant."""
    user: UUID | None
    """The author's pseudonym; None: their account is forgotten."""
    rating: int = Field(ge=1, le=5)
    previous: ReviewStatus | None
    """None: it was just written."""
    status: ReviewStatus
    reason: RejectionReason | None = None
    is_public: bool
    """Whether the shop shows anything else of the product since: the review was approved before, or is now."""
