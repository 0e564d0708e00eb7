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


def second_factor_required(kind: str, challenge: str, seconds: int) -> Problem:
    """The password was right; the login goes on at POST /auth/login/second-factor."""
    detail = "Send the challenge with a code to POST /api/v1/auth/login/second-factor."
    needed = unauthorized("second_factor_required", "The second factor is still to come", detail)
    needed.extra = {"challenge": challenge, "second_factor": kind, "expires_in": seconds}
    return needed


def invalid_challenge() -> Problem:
    return unauthorized("invalid_challenge", "The challenge is not valid, or not any more", "Log in again.")


def invalid_code() -> Problem:
    return unauthorized("invalid_code", "The code is not valid", "A code is good once, and for a short time.")


def no_second_factor() -> Problem:
    return unauthorized("no_second_factor", "The account has no second factor")


def second_factor_exists() -> Problem:
    return Problem(409, "second_factor_exists", "The account has a second factor already", "Remove it first.")
