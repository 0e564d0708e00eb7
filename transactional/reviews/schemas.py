"""Requests and answers of reviews. The list of a product's reviews is put together as bytes; its schema here describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lakefront.contracts.reviews import RejectionReason
from transactional.platform.patterns import LINE, LINES, pattern

Sort = Literal["newest", "highest", "lowest"]
Status = Literal["pending", "approved", "rejected"]
Stars = Annotated[int, Field(ge=1, le=5, examples=[4])]
Version = Annotated[
    int, Field(ge=1, description="The version that you have read; where it is another by now, nothing is decided.")
]
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=120, pattern=LINE),
    Field(examples=["Boils fast, pours well"]),
]
Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=10, max_length=5_000, pattern=LINES),
    Field(examples=["Half a year of daily use and not a dent. The whistle could be louder."]),
]
Author = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=2,
        max_length=40,
        pattern=pattern(r"^[^\x00-\x1f\x7f@]*$", "one line of text without @"),
    ),
    Field(examples=["Tea drinker"], description="Shown with the review; without it, the account's first name is."),
]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=LINES)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewReview(_Request):
    """What somebody thinks of a product. Texts are plain text: what looks like HTML is shown as it was written."""

    rating: Stars
    title: Title
    text: Words
    author: Author | None = None


class Approval(_Request):
    """The shop shows the review."""

    version: Version


class Rejection(_Request):
    """The shop does not show the review."""

    version: Version
    reason: RejectionReason
    note: Note | None = Field(None, description="For the author.", examples=["Please leave out the telephone number."])


class OwnReview(BaseModel):
    """A review as its author sees it."""

    review_id: UUID
    product_id: UUID
    product_title: str
    rating: int
    title: str
    text: str
    author: str | None
    status: Status
    """Only what is approved is shown."""
    reason: RejectionReason | None
    note: str | None
    created_at: datetime
    submitted_at: datetime
    """When its author last changed it."""
    version: int


class OwnReviews(BaseModel):
    """A page of an account's reviews."""

    items: list[OwnReview]
    next_cursor: str | None


class ModeratedReview(OwnReview):
    """A review as moderators see it: nothing of the person but what they wrote."""


class ModeratedReviews(BaseModel):
    """A page of reviews that are in one state, those that have been in it longest first."""

    items: list[ModeratedReview]
    next_cursor: str | None


class StarCounts(BaseModel):
    """How many reviews gave so many stars."""

    model_config = ConfigDict(populate_by_name=True)

    one: int = Field(alias="1")
    two: int = Field(alias="2")
    three: int = Field(alias="3")
    four: int = Field(alias="4")
    five: int = Field(alias="5")


class RatingSummary(BaseModel):
    """What all reviews together say."""

    rating_average: float | None = Field(examples=[4.35])
    """Null where there is none."""
    rating_count: int
    stars: StarCounts


class PublicReview(BaseModel):
    """A review as everybody sees it."""

    review_id: UUID
    rating: int
    title: str
    text: str
    author: str | None
    """A first name or a name that the author chose; null: the author is not named."""
    verified_purchase: bool
    """The product was bought here and delivered; today no other reviews are taken."""
    created_at: datetime
    edited_at: datetime | None


class ProductReviews(BaseModel):
    """A page of a product's reviews, with what all of them together say."""

    product_id: UUID
    """The product's own, also where one of its variants was asked for."""
    summary: RatingSummary
    items: list[PublicReview]
    next_cursor: str | None
