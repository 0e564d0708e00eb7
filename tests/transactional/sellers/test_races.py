"""Sellers who are suspended or untied while they change something, and managers who list meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any
from uuid import UUID

import pytest
from sellers_people import CATEGORY

from lakefront.ids import new_id
from transactional.catalogue.changing import change_product
from transactional.catalogue.schemas import NewProduct, ProductChange
from transactional.catalogue.service import list_products
from transactional.images import service as images
from transactional.inventory import service as inventory
from transactional.platform.authentication import Caller
from transactional.platform.errors import Problem
from transactional.pricing.schemas import PriceChange
from transactional.pricing.service import change_prices
from transactional.sellers import people, service, tasks
from transactional.sellers.access import editor
from transactional.sellers.schemas import StatusChange

OURSELVES = Caller(None, None, "guest", None, None, "127.0.0.1", is_internal=True)


def person(seller: Any) -> Caller:
    """As another worker has it, which has not heard yet that the session ended."""
    return dataclasses.replace(OURSELVES, user_id=UUID(seller.user.user_id), role="seller", is_internal=False)


def product(**fields: Any) -> NewProduct:
    return NewProduct(sku=new_id().hex, title="P", category=CATEGORY, price="1.00", **fields)


async def outcome(work: Any) -> str:
    try:
        await work
    except Problem as problem:
        return problem.code
    return "done"


async def test_a_token_that_outlived_its_tie_changes_nothing(wide_core: Any, shop: Any, create_seller: Any) -> None:
    seller = await create_seller()
    own, caller = UUID(await seller.product(stock={"main": 2})), person(seller)
    assert await outcome(change_product(wide_core, own, ProductChange(title="Before"), caller)) == "done"
    await people.untie(wide_core, "internal", seller.code, UUID(seller.user.user_id))
    attempts = [
        change_product(wide_core, own, ProductChange(title="After"), caller),
        list_products(wide_core, [product()], caller),
        inventory.count(wide_core, own, "main", 0, caller),
        images.order_images(wide_core, own, [], caller),
        images.remove_image(wide_core, own, new_id(), caller),
    ]
    assert [await outcome(one) for one in attempts] == ["no_seller"] * 5
    assert await shop.sql("SELECT title FROM products WHERE seller = %s", seller.code) == [("Before",)]
    assert await shop.available({"product_id": own}) == 2


@pytest.mark.parametrize("ending", ["untied", "suspended"])
async def test_ending_waits_for_what_is_under_way_and_holds_for_what_comes_after(
    wide_core: Any, create_seller: Any, ending: str
) -> None:
    seller = await create_seller()
    caller = person(seller)
    end = (
        people.untie(wide_core, "internal", seller.code, caller.member_id)
        if ending == "untied"
        else service.change_status(wide_core, "internal", seller.code, StatusChange(status="suspended"))
    )
    async with wide_core.db.transaction() as connection:
        await editor(connection, caller)
        ending_now = asyncio.create_task(end)  # type: ignore[arg-type]
        await asyncio.sleep(0.3)
        assert not ending_now.done()
    await ending_now
    with pytest.raises(Problem) as refusal:
        async with wide_core.db.transaction() as connection:
            await editor(connection, caller)
    assert refusal.value.code == {"untied": "no_seller", "suspended": "seller_not_active"}[ending]


async def test_however_listing_and_suspending_fall_together_nothing_of_the_seller_stays_in_the_shop(
    wide_core: Any, shop: Any, create_seller: Any
) -> None:
    seller = await create_seller()
    caller = person(seller)
    own = UUID(await seller.product())

    async def suspend() -> None:
        await asyncio.sleep(0.02)
        await service.change_status(wide_core, "internal", seller.code, StatusChange(status="suspended"))

    async def settle() -> None:
        for _ in range(30):
            await tasks.settle_products(wide_core)
            await asyncio.sleep(0.005)

    by_people = [outcome(list_products(wide_core, [product()], caller)) for _ in range(4)]
    by_managers = [outcome(list_products(wide_core, [product(seller=seller.code)], OURSELVES)) for _ in range(4)]
    changes = [outcome(change_product(wide_core, own, ProductChange(status="active"), OURSELVES)) for _ in range(3)]
    outcomes = await asyncio.gather(*by_people, *by_managers, *changes, suspend(), settle(), settle())
    assert set(outcomes[:4]) <= {"done", "seller_not_active"}
    assert set(outcomes[4:11]) == {"done"}
    while await tasks.settle_products(wide_core):
        pass
    assert await shop.sql("SELECT DISTINCT status FROM products WHERE seller = %s", seller.code) == [("inactive",)]
    listed = 1 + outcomes[:4].count("done") + 4
    assert await shop.sql("SELECT count(*) FROM products WHERE seller = %s", seller.code) == [(listed,)]


async def test_changes_prices_and_a_seller_that_comes_and_goes_wait_for_each_other_without_a_deadlock(
    wide_core: Any, shop: Any, create_seller: Any
) -> None:

    seller = await create_seller()
    sizes = [{"sku": new_id().hex, "options": {"size": name}} for name in ("S", "M", "L")]
    families = [UUID(await seller.product(variants=[one | {"sku": new_id().hex} for one in sizes])) for _ in range(2)]
    single = UUID(await seller.product())
    rows = await shop.sql("SELECT id FROM products WHERE seller = %s AND NOT has_variants", seller.code)
    sold = [row[0] for row in rows]

    async def come_and_go() -> None:
        for status in ("suspended", "active") * 3:
            await service.change_status(wide_core, "internal", seller.code, StatusChange(status=status))
            await tasks.settle_products(wide_core)

    async def price() -> None:
        for amount in range(6):
            changes = [PriceChange(product_id=one, base_price=f"{10 + amount}.00") for one in sold]
            await change_prices(wide_core, "internal", changes)

    async def edit(product_id: UUID) -> None:
        for number in range(6):
            await change_product(wide_core, product_id, ProductChange(title=f"T {number}"), OURSELVES)

    await asyncio.gather(come_and_go(), price(), *(edit(one) for one in [*families, single]))
    while await tasks.settle_products(wide_core):
        pass
    assert await shop.sql("SELECT DISTINCT status, price FROM products WHERE seller = %s", seller.code) == [
        ("active", 15)
    ]
    for product_id in sold:
        told = [fact["sequence"] for fact in await shop.facts(product_id)]
        assert told == list(range(1, len(told) + 1))


async def test_ties_made_and_ended_at_once_leave_role_and_tie_agreeing(
    wide_core: Any, shop: Any, create_user: Any, create_seller: Any
) -> None:
    one, other, user = await create_seller(), await create_seller(), await create_user()
    user_id = UUID(user.user_id)
    works = [
        work
        for seller in (one, other)
        for _ in range(4)
        for work in (
            outcome(people.tie(wide_core, "internal", seller.code, user_id)),
            outcome(people.untie(wide_core, "internal", seller.code, user_id)),
        )
    ]
    outcomes = await asyncio.gather(*works)
    assert set(outcomes) <= {"done", "tied_already", "person_of_the_seller_not_found"}
    tied = await shop.sql("SELECT count(*) FROM seller_people WHERE user_id = %s", user.user_id)
    ((role,),) = await shop.sql("SELECT role FROM users WHERE id = %s", user.user_id)
    assert (tied, role) in [([(1,)], "seller"), ([(0,)], "shopper")]
