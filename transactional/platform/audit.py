"""The audit log: who did what to whom, in the transaction that did it, and never changed afterwards.

Entries name accounts by id and hold no personal data, so that they outlive the person they tell of.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.platform.database import Connection
from transactional.platform.query import jsonb

_NOTE = """
INSERT INTO audit_log (id, at, actor, action, subject, details)
VALUES (%(id)s, %(at)s, %(actor)s, %(action)s, %(subject)s, %(details)s)
"""


def products_named(product_ids: Collection[UUID]) -> str:
    """The subject of what was done to products at once: the product where it is one. Of more there is one entry all the same,
    which says how many."""
    return str(*product_ids) if len(product_ids) == 1 else "products"


async def note(connection: Connection, actor: object, action: str, subject: object, **details: Any) -> None:
    """Write an entry in the caller's transaction: ``note(connection, caller.actor, "role_changed", user_id, to="support")``."""
    parameters = {
        "id": new_id(),
        "at": real_now(),
        "actor": str(actor),
        "action": action,
        "subject": str(subject),
        "details": jsonb(details),
    }
    await connection.execute(_NOTE, parameters)
