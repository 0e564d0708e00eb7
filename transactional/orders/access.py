"""Who may see and change an order: its member, its guest session, who may act on orders, and our own processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from transactional.platform.authentication import Caller
from transactional.platform.errors import not_found
from transactional.platform.permissions import Permission


def is_own(caller: Caller, order: Mapping[str, Any]) -> bool:
    """Whether the order (with user_id and session) is the caller's own."""
    if order["user_id"] is not None:
        return bool(caller.user_id == order["user_id"])
    return caller.session is not None and bool(caller.session == order["session"])


def check_owner(caller: Caller, order: Mapping[str, Any], order_id: UUID) -> None:
    """Raise 404 unless the order (with user_id and session) is the caller's: others do not learn that it exists."""
    if not caller.may(Permission.ACT_ON_ORDERS) and not is_own(caller, order):
        raise not_found("order", order_id)
