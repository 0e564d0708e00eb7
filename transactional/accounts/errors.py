"""What can be wrong with a login."""

from __future__ import annotations

from transactional.platform.errors import Problem
from transactional.platform.tokens import unauthorized


def email_taken() -> Problem:
    return Problem(409, "email_taken", "There is an account with this e-mail address already", "Log in instead.")


def invalid_credentials() -> Problem:
    """The same answer for an unknown address and a wrong password."""
    return unauthorized("invalid_credentials", "The e-mail address or the password is wrong")


def too_many_attempts(retry_after: int) -> Problem:
    """The same answer whether the account or the address has had its share, and whether there is such an account."""
    detail = f"Come again in {retry_after} s."
    return Problem(429, "too_many_attempts", "Too many attempts", detail, {"Retry-After": str(retry_after)})


def invalid_refresh_token() -> Problem:
    return unauthorized("invalid_refresh_token", "The refresh token is not valid", "Log in again.")


def refresh_token_reused() -> Problem:
    detail = "A refresh token is good once. All tokens of this login have ended; log in again."
    return unauthorized("refresh_token_reused", "The refresh token was used before", detail)


def invalid_letter_token() -> Problem:
    detail = "It was used before, has ended, or another was sent after it."
    return unauthorized("invalid_token", "The token of the letter is not valid", detail)
