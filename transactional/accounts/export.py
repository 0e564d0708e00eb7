"""All that is held about an account, as one JSON document for its owner.

It is read in one transaction, as of one moment, through cursors, and written to a temporary file that has no name: memory
stays small however much there is, no connection waits for a slow reader, and whoever gets an answer gets all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from tempfile import SpooledTemporaryFile
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from lakefront.clock import real_now
from transactional.accounts import addresses, attempts, owner, personal
from transactional.accounts import export_store as store
from transactional.accounts.schemas import OwnerProof
from transactional.platform import audit
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection, Database
from transactional.platform.errors import not_found
from transactional.platform.query import Row, first, rows

EXPORTS = 5
WINDOW = timedelta(hours=1)
_ROWS_AT_ONCE = 100
_CHUNK = 1 << 16
_IN_MEMORY = 1 << 20
_one_at_a_time: WeakKeyDictionary[Database, asyncio.Lock] = WeakKeyDictionary()
Document = SpooledTemporaryFile[bytes]


async def export(core: Core, caller: Caller, proof: OwnerProof) -> Document:
    """The document, from its beginning; whoever reads it closes it. Raises Problem 401, and 429 after too many."""
    account = await owner.prove(core, caller, proof)
    await attempts.take(core, {f"export:{account['user_id']}": EXPORTS}, WINDOW)
    async with core.db.connection() as connection:
        await audit.note(connection, caller.actor, "account_exported", account["user_id"])
    document = Document(max_size=_IN_MEMORY)
    try:
        # One in each worker: others must not wait for a connection because many want everything.
        async with _one_at_a_time.setdefault(core.db, asyncio.Lock()), core.db.snapshot() as connection:
            await _write(document, connection, account)
    except BaseException:
        document.close()
        raise
    document.seek(0)
    return document


def chunks(document: Document) -> Iterator[bytes]:
    """The document piece by piece; it is gone afterwards."""
    with document:
        while chunk := document.read(_CHUNK):
            yield chunk


async def _write(document: Document, connection: Connection, account: Row) -> None:
    user_id = account["user_id"]
    head: dict[str, Any] = {
        "exported_at": real_now(),
        "profile": await _profile(connection, account),
        "addresses": await addresses.of(connection, user_id),
    }
    document.write(orjson.dumps(head)[:-1])
    for name, statement in store.SECTIONS.items():
        document.write(b',"%s":[' % name.encode())
        async with connection.cursor(name=name) as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            await cursor.execute(statement, {"user_id": user_id})
            before = b""
            async for (text,) in cursor:
                document.write(before + text.encode())
                before = b","
        document.write(b"]")
    document.write(b"}")


async def _profile(connection: Connection, account: Row) -> dict[str, Any]:
    user = {"user_id": account["user_id"]}
    found = await personal.by_id(connection, account["user_id"])
    if found is None:
        raise not_found("account", account["user_id"])
    shown = {
        name: value for name, value in found.items() if name not in ("password_hash", "has_identity", "second_factor")
    }
    factor = await first(connection, store.FACTOR, user)
    return {
        **shown,
        "has_password": found["password_hash"] is not None,
        "second_factor": factor,
        "openid_identities": await rows(connection, store.IDENTITIES, user),
    }
