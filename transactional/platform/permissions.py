"""Who may do what: the one table of roles and their permissions. Endpoints name a permission, never a role."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from types import MappingProxyType


class Permission(StrEnum):
    """Something that not everybody may do."""

    MANAGE_SHOP = "manage_shop"
    """Products, prices and what decides about them."""
    MANAGE_OWN_PRODUCTS = "manage_own_products"
    """Products of the seller that the account is tied to, and their stock; ``may_change_product`` says which."""
    MANAGE_SELLERS = "manage_sellers"
    """Approve and suspend sellers, and tie accounts to them."""
    MANAGE_PROMOTIONS = "manage_promotions"
    SEE_STOCK = "see_stock"
    MANAGE_STOCK = "manage_stock"
    ACT_ON_ORDERS = "act_on_orders"
    """See and cancel anybody's orders, as their owner may."""
    SEE_ORDER_HISTORY = "see_order_history"
    REVIEW_ORDERS = "review_orders"
    FULFIL_ORDERS = "fulfil_orders"
    REFUND_PAYMENTS = "refund_payments"
    ISSUE_STORED_VALUE = "issue_stored_value"
    MODERATE_REVIEWS = "moderate_reviews"
    """Decide which reviews the shop shows."""
    FIND_ACCOUNTS = "find_accounts"
    """Learn which account has an e-mail address; whoever does is noted."""
    MANAGE_ACCOUNTS = "manage_accounts"
    """Roles of accounts, and the clients of OAuth."""
    SEE_AUDIT_LOG = "see_audit_log"


ROLES = ("shopper", "seller", "merchandiser", "support", "moderator", "analyst", "admin")
_EVERYTHING = frozenset(Permission)
_OF_PEOPLES_ACCOUNTS = frozenset({Permission.FIND_ACCOUNTS, Permission.MANAGE_ACCOUNTS, Permission.SEE_AUDIT_LOG})
PERMISSIONS = MappingProxyType(
    {
        "guest": frozenset[Permission](),
        "shopper": frozenset[Permission](),
        "seller": frozenset({Permission.MANAGE_OWN_PRODUCTS}),
        "moderator": frozenset({Permission.MODERATE_REVIEWS}),
        "analyst": frozenset({Permission.SEE_STOCK, Permission.SEE_ORDER_HISTORY}),
        "support": frozenset(
            {
                Permission.SEE_STOCK,
                Permission.ACT_ON_ORDERS,
                Permission.SEE_ORDER_HISTORY,
                Permission.REFUND_PAYMENTS,
                Permission.ISSUE_STORED_VALUE,
                Permission.FIND_ACCOUNTS,
            }
        ),
        "merchandiser": _EVERYTHING - _OF_PEOPLES_ACCOUNTS,
        "admin": _EVERYTHING,
    }
)


def may(role: str, permission: Permission) -> bool:
    """Whether a role has a permission; an unknown role has none."""
    return permission in PERMISSIONS.get(role, ())


def may_change_product(
    has: Callable[[Permission], bool], of_all: Permission, own_seller: str | None, product_seller: str | None
) -> bool:
    """Whether somebody who ``has`` permissions may change a product, or its stock. Who has ``of_all`` (MANAGE_SHOP,
    MANAGE_STOCK) may change any; a seller's people those of their seller, never another's and never the shop's own (None)."""
    if has(of_all):
        return True
    return has(Permission.MANAGE_OWN_PRODUCTS) and own_seller is not None and own_seller == product_seller
