"""A second factor besides the password: codes of an authenticator (TOTP, RFC 6238) or by text message, and recovery codes.

No code is good twice: a TOTP code's time step must be later than the last one used, a sent code and a recovery code go when
they are used, each by a compare-and-set. Attempts are counted for the account, however many logins they are spread over.
"""

from __future__ import annotations

import base64
import hmac
import secrets as random
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pyotp

from lakefront.clock import real_now
from lakefront.secrets import keyed_hash
from transactional.accounts import attempts, errors, letters, passwords, personal, store
from transactional.accounts.schemas import NewSecondFactor
from transactional.accounts.sessions import token_hash
from transactional.platform import audit
from transactional.platform.core import Core
from transactional.platform.encryption import cipher
from transactional.platform.errors import not_found
from transactional.platform.messaging import Message, messenger_of
from transactional.platform.query import Row, first

STEP_SECONDS = 30
_STEPS_OFF = (-1, 0, 1)
"""A clock may be so many steps off (RFC 6238, 5.2)."""
CHALLENGE = timedelta(minutes=5)
_SENT_CODE = timedelta(minutes=5)
_RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
"""80 bits: nobody guesses them, so one keyed hash keeps them."""
_GUESSES = 5


async def enrol(core: Core, user_id: UUID, new: NewSecondFactor) -> dict[str, Any]:
    """Begin with a second factor; it counts once a code of it was shown. Raises Problem 401, or 409 where there is one."""
    account = await with_password(core, user_id, new.password)
    secret = pyotp.random_base32() if new.kind == "totp" else str(new.phone_number)
    parameters = {"user_id": user_id, "kind": new.kind, "secret": cipher().encrypt(secret, _context(user_id))}
    async with core.db.connection() as connection:
        if await first(connection, store.ENROL_FACTOR, parameters) is None:
            raise errors.second_factor_exists()
    if new.kind == "sms":
        await send_code(core, user_id)
        return {"kind": "sms"}
    uri = pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=account["email"], issuer_name="Lakefront")
    return {"kind": "totp", "secret": secret, "otpauth_uri": uri}


async def confirm(core: Core, user_id: UUID, code: str) -> list[str]:
    """The factor counts from now on. The recovery codes are shown this once. Raises Problem 401 for a wrong code."""
    await prove(core, user_id, code)
    codes = [base64.b32encode(random.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(_RECOVERY_CODES)]
    hashes = [_code_hash(user_id, code) for code in codes]
    parameters = {"user_id": user_id, "hashes": hashes, "now": real_now()}
    async with core.db.transaction() as connection:
        if await first(connection, store.CONFIRM_FACTOR, parameters) is None:
            raise errors.second_factor_exists()
        await audit.note(connection, user_id, "second_factor_set", user_id)
        account = await personal.by_id(connection, user_id)
    await _tell(core, account, "second_factor_set")
    return ["-".join(code[place : place + 4] for place in range(0, len(code), 4)) for code in codes]


async def remove(core: Core, user_id: UUID, password: str, code: str) -> None:
    """Do without from now on. Raises Problem 401 unless both are right."""
    account = await with_password(core, user_id, password)
    await prove(core, user_id, code)
    async with core.db.transaction() as connection:
        await connection.execute(store.REMOVE_FACTOR, {"user_id": user_id})
        await audit.note(connection, user_id, "second_factor_removed", user_id)
    await _tell(core, account, "second_factor_removed")


async def state(core: Core, user_id: UUID) -> dict[str, Any]:
    """What the account has."""
    async with core.db.connection() as connection:
        found = await first(connection, store.FACTOR, {"user_id": user_id})
    if found is None:
        return {"kind": None, "confirmed": False, "recovery_codes_left": 0}
    confirmed = found["confirmed_at"] is not None
    return {"kind": found["kind"], "confirmed": confirmed, "recovery_codes_left": len(found["recovery_hashes"])}


async def send_code(core: Core, user_id: UUID) -> None:
    """Send a code by text message; the one before is good no longer. Raises Problem 429 after too many."""
    factor = await _factor(core, user_id)
    if factor["kind"] != "sms":
        return
    await attempts.take_letter(core, user_id)
    code = f"{random.randbelow(1_000_000):06}"
    parameters = {"user_id": user_id, "hash": _code_hash(user_id, code), "ends_at": real_now() + _SENT_CODE}
    async with core.db.connection() as connection:
        await connection.execute(store.KEEP_SENT_CODE, parameters)
    number = cipher().decrypt(factor["secret"], _context(user_id))
    await messenger_of(core).send(Message(user_id, "sms", number, f"Lakefront code: {code}"))


async def challenge(core: Core, account: Row, identity: Mapping[str, Any] | None = None) -> str:
    """A token for a login that lacks its second factor; where it comes by text message, that is sent. An ``identity`` of a
    provider is linked to the account once the factor was shown."""
    token = random.token_urlsafe(32)
    parameters = {
        "token_hash": token_hash(token),
        "user_id": account["user_id"],
        "expires_at": real_now() + CHALLENGE,
        "issuer": identity["issuer"] if identity else None,
        "subject": identity["subject"] if identity else None,
    }
    async with core.db.connection() as connection:
        await connection.execute(store.ADD_CHALLENGE, parameters)
    if account["second_factor"] == "sms":
        await send_code(core, account["user_id"])
    return token


async def answer(core: Core, token: str, code: str) -> Row:
    """The account that a challenge and a code let in; both are used up. Raises Problem 401, and 429 after too many guesses."""
    parameters = {"token_hash": token_hash(token), "now": real_now()}
    async with core.db.connection() as connection:
        waiting = await first(connection, store.CHALLENGED, parameters)
    if waiting is None:
        raise errors.invalid_challenge()
    await prove(core, waiting["user_id"], code)
    async with core.db.connection() as connection:
        used = await first(connection, store.USE_CHALLENGE, parameters)
        account = await personal.by_id(connection, waiting["user_id"])
    if used is None or account is None:
        raise errors.invalid_challenge()
    if used["linked"]:
        await letters.tell(core, account["user_id"], account["email"], "openid_linked")
    return account


async def prove(core: Core, user_id: UUID, code: str) -> None:
    """Use up a code of the account's second factor. Raises Problem 401 where it is none, 429 after too many guesses."""
    guesses = f"factor:{user_id}"
    await attempts.take(core, {guesses: _GUESSES})
    factor = await _factor(core, user_id)
    plain = "".join(character for character in code.lower() if character.isalnum())
    statement, parameters = _use_of(factor, user_id, plain)
    async with core.db.connection() as connection:
        used = await first(connection, statement, parameters) if statement else None
    if used is None:
        raise errors.invalid_code()
    await attempts.clear(core, guesses)


def _use_of(factor: Row, user_id: UUID, code: str) -> tuple[str | None, dict[str, Any]]:
    """The statement that uses a code up, None where it is wrong. Looks at everything, whatever matches first."""
    hashed = _code_hash(user_id, code)
    found: tuple[str | None, dict[str, Any]] = (None, {})
    for kept in factor["recovery_hashes"]:
        if hmac.compare_digest(bytes(kept), hashed):
            found = store.USE_RECOVERY_CODE, {"user_id": user_id, "hash": hashed}
    if factor["kind"] == "totp":
        totp = pyotp.TOTP(cipher().decrypt(factor["secret"], _context(user_id)), interval=STEP_SECONDS)
        now = int(time.time()) // STEP_SECONDS
        for step in (now + off for off in _STEPS_OFF):
            if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
                found = store.USE_STEP, {"user_id": user_id, "step": step}
    elif hmac.compare_digest(bytes(factor["sent_hash"] or b""), hashed):
        found = store.USE_SENT_CODE, {"user_id": user_id, "hash": hashed, "now": real_now()}
    return found


async def _tell(core: Core, account: Row | None, news: letters.News) -> None:
    if account is not None:  # or it was deleted this very moment
        await letters.tell(core, account["user_id"], account["email"], news)


async def _factor(core: Core, user_id: UUID) -> Row:
    async with core.db.connection() as connection:
        found = await first(connection, store.FACTOR, {"user_id": user_id})
    if found is None:
        raise errors.no_second_factor()
    return found


async def with_password(core: Core, user_id: UUID, password: str) -> Row:
    """The account, whose owner shows to be there: a token alone may be stolen."""
    async with core.db.connection() as connection:
        account = await personal.by_id(connection, user_id)
        if account is None:
            raise not_found("account", user_id)
    guesses = f"password:{user_id}"
    await attempts.take(core, {guesses: attempts.OF_ACCOUNT})
    if not await passwords.matches(core.password_pool, account["password_hash"], password):
        raise errors.wrong_password()
    await attempts.clear(core, guesses)
    return account


def _code_hash(user_id: UUID, code: str) -> bytes:
    return bytes.fromhex(keyed_hash(f"code of {user_id}", code))


def _context(user_id: UUID) -> str:
    return f"second_factors.secret:{user_id}"
