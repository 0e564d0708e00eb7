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
"""Workers look at the keys once a second, and a key management service may take its time."""
_FOR_CLOCKS = 1.5
"""Machines begin to write under the new key by their own clocks: by so much later all have."""


async def rotate(db: Database, cipher: Cipher, *, pause: float = _UNTIL_ALL_KNOW_SECONDS) -> tuple[int, int]:
    """Add a key, which all know before any writes under it, wait until all do, and renew the rest. The new version, and how
    many were renewed. May be run again after a crash: each field is under one key or the other, and both can be read."""
    version = await asyncio.to_thread(cipher.store.add, pause)
    await asyncio.sleep(pause * _FOR_CLOCKS)
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
