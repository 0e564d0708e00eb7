"""Password hashes: argon2id with 19 MiB, two passes, one lane, in a thread pool of their own (30 ms of CPU each).

The pool is small, so that a flood of logins delays logins and nothing else.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)


@lru_cache(maxsize=1)
def _of_nobody() -> str:
    """Checked when the account is unknown, so that the time taken does not tell whether it exists."""
    return hash_now("the password of nobody")


def hash_now(password: str) -> str:
    """Hash in this thread."""
    return _hasher.hash(password)


async def hash_password(pool: ThreadPoolExecutor, password: str) -> str:
    """A hash to keep."""
    return await asyncio.get_running_loop().run_in_executor(pool, hash_now, password)


async def matches(pool: ThreadPoolExecutor, password_hash: str | None, password: str) -> bool:
    """Whether a password is the account's. Takes as long when there is no account."""
    verified = await asyncio.get_running_loop().run_in_executor(pool, _verify, password_hash, password)
    return verified and password_hash is not None


def _verify(password_hash: str | None, password: str) -> bool:
    try:
        return _hasher.verify(password_hash or _of_nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
