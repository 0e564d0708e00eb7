"""Who may see and change an order: its member, its guest session, who may act on orders, and our own processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from transactional.platform.authentication import Caller
from transactional.platform.errors import not_found
from transactional.platform.permissions import Permission


def check_owner(caller: Caller, order: Mapping[str, Any], order_id: UUID) -> None:
    """Raise 404 unless the order (with user_id and session) is the caller's: others do not learn that it exists."""
    if caller.may(Permission.ACT_ON_ORDERS):
        return
    if order["user_id"] is not None:
        mine = caller.user_id == order["user_id"]
    else:
        mine = caller.session is not None and caller.session == order["session"]
    if not mine:
        raise not_found("order", order_id)
