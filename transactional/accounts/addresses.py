"""The addresses of an account: several, one of them the default, encrypted but for the country."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from lakefront.ids import new_id
from transactional.accounts import store
from transactional.accounts.schemas import AddressRequest
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.encryption import cipher
from transactional.platform.errors import Problem, not_found
from transactional.platform.query import Row, first, rows

MOST = 20


async def addresses(core: Core, user_id: UUID) -> list[dict[str, Any]]:
    """The default first, then the newest."""
    async with core.db.connection() as connection:
        return await of(connection, user_id)


async def of(connection: Connection, user_id: UUID) -> list[dict[str, Any]]:
    """The same, in the caller's transaction."""
    return [_shown(row) for row in await rows(connection, store.ADDRESSES, {"user_id": user_id})]


async def add(core: Core, user_id: UUID, address: AddressRequest) -> dict[str, Any]:
    """Another address; the first one is the default. Raises Problem 409 where there are twenty."""
    parameters = _parameters(new_id(), user_id, address) | {"now": core.clock.now(), "most": MOST}
    async with core.db.transaction() as connection:
        if await first(connection, store.LOCK_ACCOUNT, {"user_id": user_id}) is None:
            raise not_found("account", user_id)
        if address.is_default:
            await connection.execute(store.NO_DEFAULT, {"user_id": user_id})
        added = await first(connection, store.ADD_ADDRESS, parameters)
        if added is None:
            raise Problem(409, "too_many_addresses", f"An account has at most {MOST} addresses")
    return _shown(added)


async def change(core: Core, user_id: UUID, address_id: UUID, address: AddressRequest) -> dict[str, Any]:
    """Replace an address. Raises Problem 404 where the account has none such."""
    async with core.db.transaction() as connection:
        await connection.execute(store.LOCK_ACCOUNT, {"user_id": user_id})
        if address.is_default:
            await connection.execute(store.NO_DEFAULT, {"user_id": user_id})
        changed = await first(connection, store.CHANGE_ADDRESS, _parameters(address_id, user_id, address))
        if changed is None:
            raise not_found("address", address_id)
    return _shown(changed)


async def remove(core: Core, user_id: UUID, address_id: UUID) -> None:
    """Forget an address. Raises Problem 404 where the account has none such."""
    async with core.db.connection() as connection:
        if await first(connection, store.REMOVE_ADDRESS, {"id": address_id, "user_id": user_id}) is None:
            raise not_found("address", address_id)


def _parameters(address_id: UUID, user_id: UUID, address: AddressRequest) -> dict[str, Any]:
    named = orjson.dumps(address.model_dump(exclude={"country", "is_default"})).decode()
    return {
        "id": address_id,
        "user_id": user_id,
        "country": address.country,
        "fields": cipher().encrypt(named, _context(address_id)),
        "is_default": address.is_default,
    }


def _shown(row: Row) -> dict[str, Any]:
    named: dict[str, Any] = orjson.loads(cipher().decrypt(row["fields"], _context(row["id"])))
    return {"address_id": row["id"], "country": row["country"], "is_default": row["is_default"], **named}


def _context(address_id: UUID) -> str:
    return f"addresses.fields:{address_id}"
