"""A new key for personal fields, and everything that is encrypted written anew under it, while the shop serves."""

from __future__ import annotations

import asyncio
from uuid import UUID

from transactional.accounts import store
from transactional.platform.database import Database
from transactional.platform.encryption import Cipher
from transactional.platform.query import Row, rows

# What is encrypted: the place as its context names it, the rows under older keys, and how one is written anew.
_PLACES = (
    ("second_factors.secret", store.OLD_FACTORS, store.RENEW_FACTOR),
    ("addresses.fields", store.OLD_ADDRESSES, store.RENEW_ADDRESS),
    ("users.email", store.OLD_EMAILS, store.RENEW_EMAIL),
    ("users.name", store.OLD_NAMES, store.RENEW_NAME),
    ("users.email", store.OLD_LETTERS, store.RENEW_LETTER),
)
_UNTIL_ALL_KNOW_SECONDS = 2.0
"""Workers read the keys once a second: after that none writes under an old one."""


async def rotate(db: Database, cipher: Cipher, *, pause: float = _UNTIL_ALL_KNOW_SECONDS) -> tuple[int, int]:
    """Add a key, wait until every worker writes under it, and renew the rest. The new version, and how many were renewed.
    May be run again after a crash: each field is under one key or the other, and both can be read."""
    version = cipher.store.add()
    await asyncio.sleep(pause)
    renewed = 0
    for place, old, renew in _PLACES:
        after = UUID(int=0)
        while found := await _old(db, old, version, after):
            after = found[-1]["id"]
            for row in found:
                context = f"{place}:{row['id']}"
                fresh = cipher.encrypt(cipher.decrypt(row["field"], context), context)
                async with db.connection() as connection:  # one row each: a long transaction would hold up its account
                    done = await connection.execute(renew, {**row, "fresh": fresh})
                renewed += done.rowcount
    return version, renewed


async def _old(db: Database, statement: str, version: int, after: UUID) -> list[Row]:
    async with db.connection() as connection:
        return await rows(connection, statement, {"newest": version.to_bytes(4, "big"), "after": after})
