"""The personal fields of an account: encrypted in its row, and its address found by a keyed hash."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from transactional.accounts import store
from transactional.platform.database import Connection
from transactional.platform.encryption import blind_index, cipher
from transactional.platform.query import Row, first


def index_of(email: str) -> bytes:
    """What an address is found by; it is the same in whatever case it is written."""
    return blind_index("users.email", email.lower())


def sealed(user_id: UUID, email: str, name: str) -> dict[str, Any]:
    """The fields as the row of an account holds them."""
    return {
        "email": sealed_email(user_id, email),
        "email_index": index_of(email),
        "name": sealed_name(user_id, name),
    }


def sealed_email(user_id: UUID, email: str) -> bytes:
    """The address alone."""
    return cipher().encrypt(email, f"users.email:{user_id}")


def sealed_name(user_id: UUID, name: str) -> bytes:
    """The name alone."""
    return cipher().encrypt(name, f"users.name:{user_id}")


def opened_email(user_id: UUID, field: bytes | None) -> str:
    """The address; empty where the account has none."""
    return "" if field is None else cipher().decrypt(field, f"users.email:{user_id}")


def opened_name(user_id: UUID, field: bytes | None) -> str:
    """The name; empty where the account has none."""
    return "" if field is None else cipher().decrypt(field, f"users.name:{user_id}")


async def by_id(connection: Connection, user_id: UUID) -> Row | None:
    """An account as ``store.BY_ID`` finds it, readable."""
    return _opened(await first(connection, store.BY_ID, {"user_id": user_id}))


async def by_email(connection: Connection, email: str) -> Row | None:
    """An account as ``store.BY_EMAIL`` finds it, readable."""
    return _opened(await first(connection, store.BY_EMAIL, {"email_index": index_of(email)}))


def _opened(row: Row | None) -> Row | None:
    if row is None:
        return None
    user_id = row["user_id"]
    return row | {"email": opened_email(user_id, row["email"]), "name": opened_name(user_id, row["name"])}
