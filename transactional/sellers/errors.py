"""What can go wrong with sellers, each with its stable code."""

from __future__ import annotations

from transactional.platform.errors import Problem


class NoSeller(Problem):
    """The account may manage products of its seller, and has none (any more)."""

    def __init__(self) -> None:
        super().__init__(
            403, "no_seller", "The account belongs to no seller", "Whoever manages sellers ties it to one."
        )


class SellerNotActive(Problem):
    """The seller was not approved yet, or is suspended: its people look and change nothing."""

    def __init__(self, code: str, status: str) -> None:
        super().__init__(403, "seller_not_active", "The seller may not change anything", f"{code} is {status}.")


class ForeignSeller(Problem):
    """A seller's people name another seller, or none."""

    def __init__(self, own: str) -> None:
        detail = f"What you list and change is {own}'s: leave `seller` out."
        super().__init__(403, "foreign_seller", "This is not your seller", detail)


class SellerVersionConflict(Problem):
    """Somebody has changed the seller since the version that the caller has seen."""

    def __init__(self, code: str, version: int) -> None:
        detail = f"{code} is at version {version} by now: look at it again."
        super().__init__(409, "version_conflict", "The seller has changed meanwhile", detail, version=version)


def seller_not_found(code: str) -> Problem:
    return Problem(404, "seller_not_found", "There is no such seller", f"No seller has the code {code}.")


def code_taken(code: str) -> Problem:
    return Problem(409, "seller_code_taken", "There is a seller with this code already", f"{code} is taken.")


def tied_already() -> Problem:
    detail = "An account belongs to one seller at most."
    return Problem(409, "tied_already", "The account belongs to a seller already", detail)


def other_role(role: str) -> Problem:
    detail = (
        f"It is {role}. Only a shopper's account becomes a seller's, so that nobody loses what they may do unasked."
    )
    return Problem(409, "other_role", "The account has another role", detail)


def not_verified() -> Problem:
    detail = "Use the token of the letter, or ask POST /api/v1/auth/verify-email/request for another."
    return Problem(403, "email_not_verified", "The e-mail address is not verified yet", detail)
