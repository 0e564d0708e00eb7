"""Roles have the permissions of one table, a changed role holds at once, and what administrators did stays written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, get_args

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from lakefront.ids import new_id
from transactional.accounts.schemas import Role
from transactional.platform.permissions import PERMISSIONS, ROLES, Permission

Create = Callable[..., Awaitable[Any]]
Staff = Callable[[str], Awaitable[dict[str, str]]]
# Something that each permission opens, which answers 404 or 422 to those who may: nothing is changed by asking.
NOBODY = new_id()
DOORS: dict[Permission, tuple[str, str]] = {
    Permission.MANAGE_SHOP: ("POST", "/pricing/changes"),
    Permission.MANAGE_PROMOTIONS: ("POST", "/promotions/coupons"),
    Permission.SEE_STOCK: ("GET", "/inventory/alerts"),
    Permission.MANAGE_STOCK: ("PUT", f"/inventory/{NOBODY}/reorder-level"),
    Permission.MANAGE_OWN_PRODUCTS: ("PATCH", f"/products/{NOBODY}"),
    Permission.MANAGE_SELLERS: ("GET", f"/sellers/nobody-{NOBODY}/people"),
    Permission.SEE_ORDER_HISTORY: ("GET", f"/orders/{NOBODY}/history"),
    Permission.REVIEW_ORDERS: ("POST", f"/orders/{NOBODY}/review"),
    Permission.FULFIL_ORDERS: ("PUT", f"/orders/{NOBODY}/status"),
    Permission.REFUND_PAYMENTS: ("POST", "/payments/refund"),
    Permission.ISSUE_STORED_VALUE: ("POST", "/gift-cards"),
    Permission.MODERATE_REVIEWS: ("POST", f"/reviews/{NOBODY}/approve"),
    Permission.FIND_ACCOUNTS: ("POST", "/users/find"),
    Permission.MANAGE_ACCOUNTS: ("PUT", f"/users/{NOBODY}/role"),
    Permission.SEE_AUDIT_LOG: ("GET", "/audit"),
}


@pytest.fixture
def staff(client: httpx.AsyncClient, create_user: Create, internal: dict[str, str]) -> Staff:
    """``await staff("support")``: headers of an account with that role."""

    async def make(role: str) -> dict[str, str]:
        user = await create_user()
        path = f"/api/v1/users/{user.user_id}/role"
        assert (await client.put(path, json={"role": role}, headers=internal)).status_code == 204
        login = {"email": user.email, "password": user.password}
        tokens = (await client.post("/api/v1/auth/login", json=login)).json()
        return {"Authorization": f"Bearer {tokens['access_token']}"}

    return make


def test_every_role_stands_in_the_table_and_in_the_schema() -> None:
    assert set(PERMISSIONS) == {"guest", *ROLES}
    assert get_args(Role) == ROLES


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_opens_the_doors_of_its_permissions_and_no_other(
    client: httpx.AsyncClient, staff: Staff, role: str
) -> None:
    headers = await staff(role)
    opened = set()
    for permission, (method, path) in DOORS.items():
        answer = await client.request(method, f"/api/v1{path}", headers=headers)
        assert answer.status_code in (200, 403, 404, 422), (permission, answer.text)
        assert answer.json().get("code") != "not_found", f"there is no door {path}"
        if answer.status_code != 403:
            opened.add(permission)
    assert opened == PERMISSIONS[role] & set(DOORS)


async def test_a_guest_opens_none(client: httpx.AsyncClient) -> None:
    for method, path in DOORS.values():
        answer = await client.request(method, f"/api/v1{path}")
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_support_finds_an_account_by_its_address_and_that_is_noted(
    client: httpx.AsyncClient, create_user: Create, staff: Staff
) -> None:
    user, support, admin = await create_user(name="Ada"), await staff("support"), await staff("admin")
    found = await client.post("/api/v1/users/find", json={"email": user.email.upper()}, headers=support)
    assert found.status_code == 200
    told = found.json()
    assert (told["user_id"], told["email"], told["name"], told["role"]) == (user.user_id, user.email, "Ada", "shopper")
    assert (told["email_verified_at"], told["second_factor"]) == (None, None)
    log = await client.get("/api/v1/audit", params={"subject": user.user_id}, headers=admin)
    supporter = (await client.get("/api/v1/users/profile", headers=support)).json()["user_id"]
    entries = [(entry["actor"], entry["action"], entry["details"]) for entry in log.json()["items"]]
    assert entries == [(supporter, "account_found", {})]
    nobody = await client.post("/api/v1/users/find", json={"email": f"{new_id().hex}@example.com"}, headers=support)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "account_not_found")


async def test_support_sees_anybodys_order_and_a_shopper_only_ones_own(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create, staff: Staff
) -> None:
    user, stranger, order_id = await create_user(), await create_user(), new_id()
    async with app.state.core.db.connection() as connection:
        await connection.execute(
            "INSERT INTO orders (id, user_id, status, currency, total, placed_at, updated_at)"
            " VALUES (%s, %s, 'confirmed', 'USD', 12.5, now(), now())",
            [order_id, user.user_id],
        )
    path = f"/api/v1/orders/{order_id}"
    assert (await client.get(path, headers=await staff("support"))).status_code == 200
    assert (await client.get(path, headers=await staff("analyst"))).status_code == 404
    assert (await client.get(path, headers=stranger.headers)).status_code == 404


async def test_a_role_that_was_taken_away_is_gone_with_its_tokens(
    client: httpx.AsyncClient, create_user: Create, internal: dict[str, str], staff: Staff
) -> None:
    admin = await staff("admin")
    user = await create_user()
    assert (await client.get("/api/v1/audit", headers=admin)).status_code == 200
    own = (await client.get("/api/v1/users/profile", headers=admin)).json()["user_id"]
    mine = await client.put(f"/api/v1/users/{own}/role", json={"role": "shopper"}, headers=admin)
    assert (mine.status_code, mine.json()["code"]) == (409, "own_role")
    gone = await client.put(f"/api/v1/users/{own}/role", json={"role": "shopper"}, headers=internal)
    assert gone.status_code == 204
    refused = await client.put(f"/api/v1/users/{user.user_id}/role", json={"role": "admin"}, headers=admin)
    assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")


async def test_a_changed_role_is_in_the_log_with_who_changed_it(
    client: httpx.AsyncClient, create_user: Create, staff: Staff
) -> None:
    admin, user = await staff("admin"), await create_user()
    actor = (await client.get("/api/v1/users/profile", headers=admin)).json()["user_id"]
    for role in ("support", "support", "moderator"):
        await client.put(f"/api/v1/users/{user.user_id}/role", json={"role": role}, headers=admin)
    page = {"subject": user.user_id, "limit": 1}
    newest = (await client.get("/api/v1/audit", params=page, headers=admin)).json()
    older = (await client.get("/api/v1/audit", params=page | {"cursor": newest["next_cursor"]}, headers=admin)).json()
    seen = [(entry["actor"], entry["action"], entry["details"]) for entry in newest["items"] + older["items"]]
    assert seen == [
        (actor, "role_changed", {"before": "support", "after": "moderator"}),
        (actor, "role_changed", {"before": "shopper", "after": "support"}),
    ]
    assert older["next_cursor"] is None


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
async def test_nobody_rewrites_the_log(app: FastAPI, statement: str) -> None:
    async with app.state.core.db.connection() as connection:
        with pytest.raises(psycopg.errors.RestrictViolation):
            await connection.execute(statement)
