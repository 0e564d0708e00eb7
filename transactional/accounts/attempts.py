"""Lock-out: so many attempts in five minutes at one account, and from one address.

An attempt is counted before the password is looked at, so that many at once are not more than one after the other; one that
was right is taken back. PostgreSQL counts, because a guesser must not win by waiting for Redis to be away.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from uuid import UUID

from lakefront.clock import real_now
from lakefront.secrets import keyed_hash
from transactional.accounts import errors, store
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.query import rows

OF_ACCOUNT = 10
OF_ADDRESS = 50
WINDOW = timedelta(minutes=5)
LETTERS = 5
LETTERS_WINDOW = timedelta(hours=1)
_RESET_ENDS_IT = (
    " Setting a new password by letter (POST /api/v1/auth/password/forgotten) ends an account's lock at once."
)


def keys_of(email: str, caller: Caller) -> dict[str, int]:
    """What an attempt counts against, and how many are allowed. Our own processes come from one address for many people."""
    limits = {_key_of(email): OF_ACCOUNT}
    if not caller.is_internal:
        limits[f"address:{keyed_hash('login address', caller.address)}"] = OF_ADDRESS
    return limits


async def take_login(core: Core, limits: dict[str, int]) -> None:
    """Count an attempt at a password by ``keys_of``. Raises Problem 429, which says what ends an account's lock."""
    await take(core, limits, way_out=_RESET_ENDS_IT)


async def take(core: Core, limits: dict[str, int], window: timedelta = WINDOW, *, way_out: str = "") -> None:
    """Count an attempt. Raises Problem 429 when one of the keys has had its share; ``way_out`` says what ends that."""
    now = real_now()
    parameters = {"keys": sorted(limits), "now": now, "ends_at": now + window}
    async with core.db.connection() as connection:
        counted = await rows(connection, store.TAKE_ATTEMPT, parameters)
    over = [row["ends_at"] for row in counted if row["attempts"] > limits[row["key"]]]
    if over:
        raise errors.too_many_attempts(max(1, ceil((max(over) - now).total_seconds())), way_out)


async def succeeded(core: Core, email: str, limits: dict[str, int]) -> None:
    """The account's count begins anew; the address has one attempt less, so that a guesser gains nothing by a login of
    their own."""
    async with core.db.connection() as connection:
        await connection.execute(store.GIVE_ATTEMPT_BACK, {"account": _key_of(email), "keys": sorted(limits)})


async def clear(core: Core, key: str) -> None:
    """The count of a key begins anew."""
    async with core.db.connection() as connection:
        await connection.execute(store.CLEAR_ATTEMPTS, {"key": key})


async def take_letter(core: Core, user_id: UUID) -> None:
    """Count a letter to an account. Raises Problem 429 when it has got enough of them."""
    await take(core, {f"letters:{user_id}": LETTERS}, LETTERS_WINDOW)


async def take_letter_to(core: Core, email: str) -> None:
    """Count a letter to an address that is nobody's yet. Raises Problem 429 when it has got enough of them."""
    await take(core, {f"letters-to:{keyed_hash('letters to', email.lower())}": LETTERS}, LETTERS_WINDOW)


def _key_of(email: str) -> str:
    return f"account:{keyed_hash('login account', email.lower())}"
