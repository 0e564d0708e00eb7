"""What goes wrong with reviews."""

from __future__ import annotations

from uuid import UUID

from transactional.platform.errors import Problem


class PurchaseRequired(Problem):
    """Only who has a product reviews it."""

    def __init__(self) -> None:
        super().__init__(
            403,
            "purchase_required",
            "Only who bought the product reviews it",
            "It can be reviewed once it has been delivered.",
        )


class ReviewExists(Problem):
    """Each person writes one review of a product."""

    def __init__(self, review_id: UUID) -> None:
        super().__init__(
            409, "review_exists", "The account has reviewed the product", "Change that review.", review_id=review_id
        )


class ReviewChangedMeanwhile(Problem):
    """What a moderator has read is not what stands there any more."""

    def __init__(self, version: int) -> None:
        super().__init__(
            409, "version_conflict", "The review is another by now", f"Its version is {version}.", version=version
        )


class OwnReview(Problem):
    """Nobody decides about their own words."""

    def __init__(self) -> None:
        super().__init__(409, "own_review", "Nobody moderates their own review", "Leave it to another moderator.")
