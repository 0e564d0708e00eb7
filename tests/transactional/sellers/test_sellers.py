"""Who becomes a seller, who acts for one, and what everybody sees of it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from sellers_people import log_in, refused

from lakefront.ids import new_id
from transactional.sellers import service as sellers

URL = "/api/v1/sellers"


async def role_of(shop: Any, user: Any) -> str:
    ((role,),) = await shop.sql("SELECT role FROM users WHERE id = %s", user.user_id)
    return str(role)


async def apply(client: httpx.AsyncClient, user: Any, code: str, name: str = "Norrland AB") -> httpx.Response:
    return await client.post(URL, json={"code": code, "display_name": name}, headers=user.headers)


async def test_only_a_verified_address_applies_and_waits_for_approval(
    shop: Any, client: httpx.AsyncClient, create_user: Any, create_verified: Any, new_code: str
) -> None:
    assert refused(await apply(client, await create_user(), new_code)) == (403, "email_not_verified")
    user = await create_verified()
    applied = await apply(client, user, new_code, "  Norrland AB ")
    assert applied.status_code == 201
    assert applied.json() | {"created_at": ""} == {
        "code": new_code, "display_name": "Norrland AB", "status": "pending", "version": 1, "created_at": "",
    }  # fmt: skip
    assert (await client.get(f"{URL}/me", headers=user.headers)).json() == applied.json()
    assert await role_of(shop, user) == "shopper"
    product = {"products": [{"sku": new_id().hex, "title": "X", "category": "tests/things", "price": "1.00"}]}
    assert refused(await client.post("/api/v1/products", json=product, headers=user.headers)) == (403, "forbidden")
    assert refused(await client.get(f"{URL}/{new_code}")) == (404, "seller_not_found")


async def test_an_account_applies_once_and_a_code_has_one_seller(
    client: httpx.AsyncClient, create_verified: Any, new_code: str
) -> None:
    one, other = await create_verified(), await create_verified()
    codes = [new_code, f"{new_code}-b", f"{new_code}-c"]
    answers = await asyncio.gather(*(apply(client, one, code) for code in codes))
    assert sorted(refused(answer) if answer.status_code > 201 else (201, "") for answer in answers) == [
        (201, ""), (409, "tied_already"), (409, "tied_already"),
    ]  # fmt: skip
    taken = next(code for code, answer in zip(codes, answers, strict=True) if answer.status_code == 201)
    assert refused(await apply(client, other, taken)) == (409, "seller_code_taken")
    assert refused(await apply(client, other, "me")) == (409, "seller_code_taken")
    assert (await apply(client, other, f"{new_code}-d")).status_code == 201


async def test_of_many_who_want_a_code_at_once_one_gets_it(
    client: httpx.AsyncClient, create_verified: Any, new_code: str
) -> None:
    users = [await create_verified() for _ in range(4)]
    answers = await asyncio.gather(*(apply(client, user, new_code) for user in users))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_approval_gives_the_role_ends_the_sessions_and_is_in_the_log(
    shop: Any, client: httpx.AsyncClient, internal: dict[str, str], create_verified: Any, set_status: Any, new_code: str
) -> None:
    user = await create_verified()
    await apply(client, user, new_code)
    approved = await set_status(new_code, "active", version=1)
    assert (approved.json()["status"], approved.json()["version"]) == ("active", 2)
    assert await role_of(shop, user) == "seller"
    assert refused(await client.get(f"{URL}/me", headers=user.headers)) == (401, "session_ended")
    own = await client.get(f"{URL}/me/products", headers=await log_in(client, user))
    assert own.json() == {"items": [], "next_cursor": None}
    log = (await client.get("/api/v1/audit", params={"subject": new_code}, headers=internal)).json()["items"]
    assert [(entry["actor"], entry["action"], entry["details"]) for entry in log] == [
        ("internal", "seller_status_changed", {"before": "pending", "after": "active"}),
        (user.user_id, "seller_applied", {}),
    ]
    told = [(fact["sequence"], fact["event_type"], fact["data"]) for fact in await shop.facts(new_code)]
    assert told == [
        (1, "catalogue.seller.changed.v1", {"seller": new_code, "status": "pending", "previous_status": None}),
        (2, "catalogue.seller.changed.v1", {"seller": new_code, "status": "active", "previous_status": "pending"}),
    ]


async def test_a_status_changes_along_its_way_only(
    set_status: Any, create_verified: Any, client: Any, new_code: str
) -> None:
    await apply(client, await create_verified(), new_code)
    assert refused(await set_status(new_code, "suspended")) == (409, "not_approved")
    assert refused(await set_status(new_code, "active", version=7)) == (409, "version_conflict")
    versions = [
        (await set_status(new_code, status)).json()["version"] for status in ("active", "active", "suspended", "active")
    ]
    assert versions == [2, 2, 3, 4]
    assert refused(await set_status(f"{new_code}-x", "active")) == (404, "seller_not_found")


async def test_a_refused_application_leaves_the_code_and_the_account_free(
    client: httpx.AsyncClient, internal: dict[str, str], create_verified: Any, set_status: Any, new_code: str
) -> None:
    user = await create_verified()
    await apply(client, user, new_code)
    assert (await client.delete(f"{URL}/{new_code}", headers=internal)).status_code == 204
    assert refused(await client.get(f"{URL}/me", headers=user.headers)) == (404, "seller_not_found")
    assert (await apply(client, user, new_code)).status_code == 201
    await set_status(new_code, "active")
    assert refused(await client.delete(f"{URL}/{new_code}", headers=internal)) == (409, "seller_approved")
    assert refused(await client.delete(f"{URL}/{new_code}-x", headers=internal)) == (404, "seller_not_found")


async def test_several_accounts_act_for_a_seller_and_each_for_one(
    shop: Any, client: httpx.AsyncClient, internal: dict[str, str], create_user: Any, create_seller: Any
) -> None:
    seller, other, user = await create_seller(), await create_seller(), await create_user()
    path = f"{URL}/{seller.code}/people"
    for _ in range(2):
        assert (await client.put(f"{path}/{user.user_id}", headers=internal)).status_code == 204
    people = (await client.get(path, headers=internal)).json()["items"]
    assert [(one["user_id"], one["role"]) for one in people] == [
        (user_id, "seller") for user_id in sorted([seller.user.user_id, user.user_id])
    ]
    elsewhere = await client.put(f"{URL}/{other.code}/people/{user.user_id}", headers=internal)
    assert refused(elsewhere) == (409, "tied_already")
    assert (await client.get(f"{URL}/me", headers=await log_in(client, user))).json()["code"] == seller.code
    log = (await client.get("/api/v1/audit", params={"subject": seller.code}, headers=internal)).json()["items"]
    assert (log[0]["action"], log[0]["details"]) == ("seller_person_tied", {"user_id": user.user_id})
    assert refused(await client.put(f"{path}/{new_id()}", headers=internal)) == (404, "account_not_found")
    nowhere = await client.put(f"{URL}/{seller.code}-x/people/{user.user_id}", headers=internal)
    assert refused(nowhere) == (404, "seller_not_found")


async def test_who_is_tied_before_the_approval_becomes_a_seller_with_it(
    shop: Any, client: httpx.AsyncClient, internal: dict[str, str], create_user: Any, create_verified: Any,
    set_status: Any, new_code: str,
) -> None:  # fmt: skip
    user, left = await create_user(), await create_user()
    await apply(client, await create_verified(), new_code)
    for one in (user, left):
        assert (await client.put(f"{URL}/{new_code}/people/{one.user_id}", headers=internal)).status_code == 204
    assert (await client.delete(f"{URL}/{new_code}/people/{left.user_id}", headers=internal)).status_code == 204
    assert [await role_of(shop, one) for one in (user, left)] == ["shopper", "shopper"]
    await set_status(new_code, "active")
    assert [await role_of(shop, one) for one in (user, left)] == ["seller", "shopper"]
    assert refused(await client.get(f"{URL}/me", headers=user.headers)) == (401, "session_ended")
    assert (await client.get("/api/v1/users/profile", headers=left.headers)).status_code == 200


async def test_nobody_loses_another_role_by_becoming_a_seller(
    client: httpx.AsyncClient, internal: dict[str, str], create_verified: Any, create_seller: Any, new_code: str
) -> None:
    seller, support = await create_seller(), await create_verified()
    await client.put(f"/api/v1/users/{support.user_id}/role", json={"role": "support"}, headers=internal)
    tied = await client.put(f"{URL}/{seller.code}/people/{support.user_id}", headers=internal)
    assert refused(tied) == (409, "other_role")
    headers = await log_in(client, support)
    body = {"code": new_code, "display_name": "Norrland AB"}
    assert refused(await client.post(URL, json=body, headers=headers)) == (409, "other_role")


async def test_who_is_untied_or_gets_another_role_is_a_sellers_no_longer(
    shop: Any, client: httpx.AsyncClient, internal: dict[str, str], create_seller: Any
) -> None:
    untied, promoted = await create_seller(), await create_seller()
    path = f"{URL}/{untied.code}/people/{untied.user.user_id}"
    assert (await client.delete(path, headers=internal)).status_code == 204
    assert await role_of(shop, untied.user) == "shopper"
    assert refused(await untied.list()) == (401, "session_ended")
    assert refused(await client.delete(path, headers=internal)) == (404, "person_of_the_seller_not_found")
    for role in ("analyst", "seller"):  # the role that comes back does not bring the seller back
        role_path = f"/api/v1/users/{promoted.user.user_id}/role"
        assert (await client.put(role_path, json={"role": role}, headers=internal)).status_code == 204
    headers = await log_in(client, promoted.user)
    assert refused(await client.get(f"{URL}/me/products", headers=headers)) == (403, "no_seller")
    assert (await client.get(f"{URL}/{promoted.code}/people", headers=internal)).json() == {"items": []}


async def test_everybody_sees_name_number_of_products_and_since_when(
    shop: Any, client: httpx.AsyncClient, internal: dict[str, str], create_seller: Any
) -> None:
    seller = await create_seller()
    product_id = await seller.product(variants=[{"sku": new_id().hex, "options": {"size": "M"}}])
    await seller.change(await seller.product(), status="inactive")
    sellers.shown.clear()
    answer = await client.get(f"{URL}/{seller.code}")
    since = (await client.get(f"{URL}/me", headers=seller.headers)).json()["created_at"]
    shown = {"code": seller.code, "display_name": f"The {seller.code}", "products": 1, "since": answer.json()["since"]}
    assert answer.json() == shown
    assert since[:19] == shown["since"][:19]
    page = (await client.get(f"/api/v1/products/{product_id}")).json()
    assert (page["seller"], page["seller_name"]) == (seller.code, f"The {seller.code}")


async def test_a_new_name_is_shown_and_told_to_all_workers(
    shop: Any, client: httpx.AsyncClient, internal: dict[str, str], create_seller: Any
) -> None:
    seller = await create_seller()
    rename = {"display_name": "Norrland & Söner", "version": 2}
    answer = await client.patch(f"{URL}/{seller.code}", json=rename, headers=internal)
    assert (answer.json()["display_name"], answer.json()["version"]) == ("Norrland & Söner", 3)
    assert refused(await client.patch(f"{URL}/{seller.code}", json=rename | {"version": 2}, headers=internal)) == (
        409, "version_conflict",
    )  # fmt: skip
    assert (await client.get(f"{URL}/{seller.code}")).json()["display_name"] == "Norrland & Söner"
    told = (await shop.facts(seller.code))[-1]
    assert (told["sequence"], told["data"]["status"], told["data"]["previous_status"]) == (3, "active", "active")
    assert "Norrland" not in str(told)


async def test_managers_page_through_who_waits_for_approval(
    client: httpx.AsyncClient, internal: dict[str, str], create_verified: Any, new_code: str
) -> None:
    codes = [f"{new_code}-{letter}" for letter in "abc"]
    for code in codes:
        await apply(client, await create_verified(), code)
    found, cursor = [], None
    while True:
        page = {"status": "pending", "limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await client.get(URL, params=page, headers=internal)).json()
        found += [one["code"] for one in answer["items"]]
        assert {one["status"] for one in answer["items"]} <= {"pending"}
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert [code for code in found if code in codes] == codes
    assert found == sorted(set(found))


async def test_a_code_that_managers_name_first_is_a_seller_from_then_on(
    shop: Any, client: httpx.AsyncClient, create_product: Any, new_code: str
) -> None:
    await asyncio.gather(*(create_product(seller=new_code) for _ in range(3)))
    rows = await shop.sql("SELECT display_name, status, version FROM sellers WHERE code = %s", new_code)
    assert rows == [(new_code, "active", 1)]
    assert [fact["sequence"] for fact in await shop.facts(new_code)] == [1]
    sellers.shown.clear()
    assert (await client.get(f"{URL}/{new_code}")).json()["products"] == 3
