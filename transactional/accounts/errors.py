"""What can be wrong with a login."""

from __future__ import annotations

from uuid import UUID

from transactional.platform.errors import Problem, unavailable
from transactional.platform.tokens import unauthorized


def email_taken() -> Problem:
    return Problem(409, "email_taken", "There is an account with this e-mail address already", "Log in instead.")


def email_unchanged() -> Problem:
    return Problem(409, "email_unchanged", "This is the account's e-mail address already")


def email_taken_meanwhile() -> Problem:
    """Told to who reads the letters of the address only."""
    detail = "It became another account's after the letter was sent. Nothing was changed."
    return Problem(409, "email_taken", "There is an account with this e-mail address already", detail)


def last_admin() -> Problem:
    return Problem(409, "last_admin", "The last administrator stays", "Give somebody else the role first.")


def open_orders(orders: list[UUID]) -> Problem:
    detail = "Orders are under way. Cancel them, or come again when they have been delivered."
    return Problem(409, "open_orders", "The account cannot be deleted yet", detail, orders=orders)


def fresh_login_required(seconds: int) -> Problem:
    detail = f"The account has no password: log in again, and come within {seconds} s."
    return unauthorized("fresh_login_required", "This needs a login that was just made", detail)


def code_required(kind: str) -> Problem:
    detail = "Send a code of it too; POST /api/v1/users/second-factor/code has one sent by text message."
    needed = unauthorized("code_required", "The second factor is still to come", detail)
    needed.extra = {"second_factor": kind}
    return needed


def invalid_credentials() -> Problem:
    """The same answer for an unknown address and a wrong password."""
    return unauthorized("invalid_credentials", "The e-mail address or the password is wrong")


def wrong_password() -> Problem:
    """Where nothing but the password of a known account was asked for; the same code, for it is the same to a program."""
    return unauthorized("invalid_credentials", "The password is wrong")


def too_many_attempts(retry_after: int, way_out: str = "") -> Problem:
    """The same answer whether the account or the address has had its share, and whether there is such an account."""
    detail = f"Come again in {retry_after} s.{way_out}"
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


def no_openid_provider() -> Problem:
    return Problem(404, "openid_not_configured", "There is no OpenID provider here")


def openid_unavailable() -> Problem:
    return unavailable("openid_unavailable", "The OpenID provider does not answer just now")


def invalid_openid_answer() -> Problem:
    """The same for whatever does not hold, so that nobody learns what to mend."""
    detail = "It was used before, is too old, comes from another browser, or does not hold. Begin anew."
    return unauthorized("invalid_openid_answer", "The provider's answer is not valid here", detail)


def openid_email_not_verified() -> Problem:
    detail = "Open an account with a password, or log in, and link the provider there."
    return Problem(403, "openid_email_not_verified", "The provider has not verified your e-mail address", detail)


def account_not_verified() -> Problem:
    """Whoever opened it may not own the address."""
    detail = "Set a password by letter, which shows that the address is yours; then sign in."
    return Problem(409, "account_not_verified", "There is an account whose address was never verified", detail)


def identity_taken() -> Problem:
    detail = "The identity is linked to another account, or the account to another identity."
    return Problem(409, "identity_taken", "The identity cannot be linked", detail)


def no_second_factor() -> Problem:
    return unauthorized("no_second_factor", "The account has no second factor")


def second_factor_exists() -> Problem:
    return Problem(409, "second_factor_exists", "The account has a second factor already", "Remove it first.")
