"""Which products somebody may change: the one rule, by role and seller."""

from __future__ import annotations

from functools import partial

import pytest

from transactional.platform.permissions import ROLES, Permission, may, may_change_product

OWN, ANOTHERS = "own-ab", "anothers-ab"


@pytest.mark.parametrize("role", ["guest", *ROLES])
@pytest.mark.parametrize("of_all", [Permission.MANAGE_SHOP, Permission.MANAGE_STOCK])
def test_managers_change_any_product_and_sellers_their_own(role: str, of_all: Permission) -> None:
    changed = {
        (own, product)
        for own in (None, OWN)
        for product in (None, OWN, ANOTHERS)
        if may_change_product(partial(may, role), of_all, own, product)
    }
    everything = {(own, product) for own in (None, OWN) for product in (None, OWN, ANOTHERS)}
    expected = {"merchandiser": everything, "admin": everything, "seller": {(OWN, OWN)}}
    assert changed == expected.get(role, set())
