"""Who changes which products: looked up in the transaction that changes them.

A token says what role an account had when it logged in. Whose products those are, and whether that seller may sell, stands in
PostgreSQL and is held until the change commits: nobody who was untied, and nobody of a suspended seller, changes anything after
that was answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from transactional.platform.authentication import Caller
from transactional.platform.database import Connection
from transactional.platform.errors import not_found
from transactional.platform.permissions import Permission, may_change_product
from transactional.platform.query import first
from transactional.sellers import store
from transactional.sellers.errors import ForeignSeller, NoSeller, SellerNotActive


@dataclass(frozen=True, slots=True)
class Editor:
    """Somebody who may change products."""

    caller: Caller
    of_all: Permission
    seller: str | None
    """Only products of this seller; None: any."""

    def check(self, product_id: UUID, product_seller: str | None) -> None:
        """Raises Problem 404 for a product that is none of theirs, as if it were not there."""
        if not may_change_product(self.caller.may, self.of_all, self.seller, product_seller):
            raise not_found("product", product_id)

    def check_named(self, seller: str | None) -> None:
        """Whose a product is to be. Raises ForeignSeller for another than theirs."""
        if self.seller is not None and seller != self.seller:
            raise ForeignSeller(self.seller)


async def editor(
    connection: Connection, caller: Caller, of_all: Permission = Permission.MANAGE_SHOP, *, is_looking: bool = False
) -> Editor:
    """The caller as somebody who changes products, or only looks at them. Before any product is locked. Raises NoSeller,
    SellerNotActive."""
    if caller.may(of_all):
        return Editor(caller, of_all, None)
    own = await first(connection, store.OWN if is_looking else store.LOCK_OWN, {"user_id": caller.user_id})
    if own is None:
        raise NoSeller()
    if own["status"] != "active" and not is_looking:
        raise SellerNotActive(own["code"], own["status"])
    return Editor(caller, of_all, own["code"])
