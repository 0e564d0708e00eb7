"""What only the owner may do needs more than an access token, which may be stolen: the password again and, where the
account has one, a code of the second factor. An account without a password shows a login that was just made."""

from __future__ import annotations

from datetime import timedelta

from lakefront.clock import real_now
from transactional.accounts import errors, personal, second_factor, store
from transactional.accounts.schemas import OwnerProof
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.errors import not_found
from transactional.platform.query import Row, first

FRESH = timedelta(minutes=10)


async def prove(core: Core, caller: Caller, proof: OwnerProof) -> Row:
    """The account of a caller who has shown to be its owner. Raises Problem 401, and 429 after too many guesses."""
    async with core.db.connection() as connection:
        account = await personal.by_id(connection, caller.member_id)
    if account is None:
        raise not_found("account", caller.member_id)
    if account["password_hash"]:
        await second_factor.with_password(core, caller.member_id, proof.password or "")
    elif not await _just_logged_in(core, caller):
        raise errors.fresh_login_required(int(FRESH.total_seconds()))
    if account["second_factor"]:
        if proof.code is None:
            raise errors.code_required(account["second_factor"])
        await second_factor.prove(core, caller.member_id, proof.code)
    return account


async def _just_logged_in(core: Core, caller: Caller) -> bool:
    """Whether the caller's session is a person's, not a program's, and new."""
    parameters = {"session": caller.login, "user_id": caller.member_id, "since": real_now() - FRESH}
    async with core.db.connection() as connection:
        return await first(connection, store.STARTED_SINCE, parameters) is not None
