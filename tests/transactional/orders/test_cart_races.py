"""Carts, reservations that expire, and checkouts at once: exact outcomes on real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

from transactional.carts import service as carts
from transactional.inventory import service as inventory
from transactional.orders.checkout.service import check_out
from transactional.orders.schemas import OrderRequest
from transactional.payments.gateways.protection import ProtectedGateway
from transactional.payments.gateways.registry import install
from transactional.payments.gateways.sandbox.gateway import SandboxGateway
from transactional.platform.authentication import Caller
from transactional.platform.errors import Problem


class WaitingGateway(SandboxGateway):
    """Has the money set aside and answers when it is told to."""

    def __init__(self, books) -> None:
        super().__init__(books)
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def authorize(self, request):
        charge = await super().authorize(request)
        self.asked.set()
        await self.go_on.wait()
        return charge


def waiting_gateway(core) -> WaitingGateway:
    gateway = WaitingGateway(core.db)
    install(core, {"sandbox": ProtectedGateway(gateway, call_seconds=30)})
    return gateway


def headers_of(caller: Caller) -> dict[str, str]:
    return {"X-Session-Id": caller.session}


async def add(core, caller: Caller, product, quantity: int = 1) -> None:
    await carts.add_item(core, carts.owner_of(caller), product["product_id"], quantity)


async def cart_of(shop, caller: Caller) -> dict:
    return (await shop.client.get("/api/v1/cart", headers=headers_of(caller))).json()


async def request_of(shop, caller: Caller, product) -> OrderRequest:
    cart = await cart_of(shop, caller)
    return OrderRequest.model_validate({**shop.body(product), "items": None, "cart_id": cart["cart_id"]})


async def levels(shop, product):
    return await shop.sql(
        "SELECT level, sum(quantity) FROM reservations WHERE sku = %s GROUP BY level ORDER BY level", product["sku"]
    )


async def test_the_last_unit_in_twelve_carts_is_sold_once(shop, wide_core, create_product, new_caller, outcome_of):
    product = await create_product(stock={"main": 1})
    callers = [new_caller() for _ in range(12)]
    await asyncio.gather(*(add(wide_core, caller, product) for caller in callers))
    assert await levels(shop, product) == [("soft", 12)]
    shown = [(await cart_of(shop, caller))["items"][0]["available"] for caller in callers]
    assert Counter(shown) == {True: 1, False: 11}  # only who came first
    requests = [await request_of(shop, caller, product) for caller in callers]
    racing = (outcome_of(check_out(wide_core, *pair, None)) for pair in zip(callers, requests, strict=True))
    outcomes = await asyncio.gather(*racing)
    assert Counter(outcomes) == {"confirmed": 1, "out_of_stock": 11}
    assert await levels(shop, product) == [("allocated", 1), ("soft", 11)]
    assert await shop.available(product) == await shop.ledger(product) == 0
    left = [len((await cart_of(shop, caller))["items"]) for caller in callers]
    assert left == [0 if outcome == "confirmed" else 1 for outcome in outcomes]


async def test_who_pays_first_has_the_unit_that_another_cart_holds(
    shop, wide_core, create_product, new_caller, outcome_of
):
    product, first, second = await create_product(stock={"main": 1}), new_caller(), new_caller()
    await add(wide_core, first, product)
    await add(wide_core, second, product)
    assert await outcome_of(check_out(wide_core, second, await request_of(shop, second, product), None)) == "confirmed"
    assert await outcome_of(check_out(wide_core, first, await request_of(shop, first, product), None)) == "out_of_stock"


async def test_a_product_added_while_the_payment_runs_stays_in_the_cart(shop, wide_core, create_product, new_caller):
    ordered, added = [await create_product(price="5.00", stock={"main": 9}) for _ in range(2)]
    caller = new_caller()
    await add(wide_core, caller, ordered, 2)
    request = await request_of(shop, caller, ordered)
    gateway = waiting_gateway(wide_core)
    paying = asyncio.create_task(check_out(wide_core, caller, request, None))
    await asyncio.wait_for(gateway.asked.wait(), 10)
    await add(wide_core, caller, added, 1)
    await add(wide_core, caller, ordered, 3)
    gateway.go_on.set()
    answer = await paying
    assert [(i["sku"], i["quantity"]) for i in answer.body["items"]] == [(ordered["sku"], 2)]
    assert (answer.body["status"], answer.body["total_amount"]) == ("confirmed", "10.00")
    ((charged,),) = [charge[1:2] for charge in await shop.charges(answer.body["order_id"])]
    assert charged == 10
    cart = await cart_of(shop, caller)
    assert {i["sku"]: i["quantity"] for i in cart["items"]} == {added["sku"]: 1, ordered["sku"]: 3}
    assert await levels(shop, ordered) == [("allocated", 2), ("soft", 3)]


async def test_a_product_added_in_the_same_moment_is_ordered_or_still_in_the_cart(
    shop, wide_core, create_product, new_caller
):
    products = [await create_product(stock={"main": 40}) for _ in range(2)]
    ordered, waiting = Counter(), Counter()
    for turn in range(10):
        caller = new_caller()
        await add(wide_core, caller, products[0])
        request = await request_of(shop, caller, products[0])
        product = products[turn % 2]
        answer, _ = await asyncio.gather(check_out(wide_core, caller, request, None), add(wide_core, caller, product))
        assert answer.body["status"] == "confirmed"
        ordered.update({i["sku"]: i["quantity"] for i in answer.body["items"]})
        waiting.update({i["sku"]: i["quantity"] for i in (await cart_of(shop, caller))["items"]})
    assert ordered + waiting == {products[0]["sku"]: 15, products[1]["sku"]: 5}
    for product in products:
        assert await shop.available(product) == await shop.ledger(product) == 40 - ordered[product["sku"]]


async def test_a_soft_reservation_that_expires_during_checkout_changes_nothing(
    shop, wide_core, create_product, new_caller, outcome_of
):
    product = await create_product(stock={"main": 20})
    callers = [new_caller() for _ in range(10)]
    for caller in callers:
        await add(wide_core, caller, product, 2)
    requests = [await request_of(shop, caller, product) for caller in callers]
    shop.core.clock.set_offset(shop.core.clock.offset + timedelta(minutes=16))
    checkouts = [outcome_of(check_out(wide_core, *pair, None)) for pair in zip(callers, requests, strict=True)]
    expiries = [inventory.expire_reservations(wide_core, limit=3) for _ in range(6)]
    done = await asyncio.gather(
        *(one for pair in zip(checkouts, expiries, strict=False) for one in pair), *checkouts[6:]
    )
    assert Counter(one for one in done if isinstance(one, str)) == {"confirmed": 10}
    assert await levels(shop, product) == [("allocated", 20)]
    assert await shop.available(product) == await shop.ledger(product) == 0


async def test_a_hard_reservation_does_not_expire_while_its_payment_runs(
    shop, wide_core, create_product, new_caller, outcome_of
):
    product, caller = await create_product(stock={"main": 2}), new_caller()
    gateway = waiting_gateway(wide_core)
    request = OrderRequest.model_validate(shop.body(product, 2))
    paying = asyncio.create_task(check_out(wide_core, caller, request, None))
    await asyncio.wait_for(gateway.asked.wait(), 10)
    shop.core.clock.set_offset(shop.core.clock.offset + timedelta(minutes=6))
    await asyncio.gather(*(inventory.expire_reservations(wide_core) for _ in range(3)))
    assert await levels(shop, product) == [("hard", 2)]
    assert await outcome_of(check_out(wide_core, new_caller(), request, None)) == "out_of_stock"
    gateway.go_on.set()
    assert (await paying).body["status"] == "confirmed"
    assert await levels(shop, product) == [("allocated", 2)]
    assert await shop.available(product) == await shop.ledger(product) == 0


async def test_a_unit_whose_reservation_expires_is_sold_once_to_those_who_wait(
    shop, wide_core, create_product, new_caller, outcome_of
):
    product = await create_product(stock={"main": 1})
    await inventory.reserve(shop.core, [(UUID(product["product_id"]), 1)])
    shop.core.clock.set_offset(shop.core.clock.offset + timedelta(minutes=6))
    request = OrderRequest.model_validate(shop.body(product))

    async def insist() -> str:
        while (found := await outcome_of(check_out(wide_core, new_caller(), request, None))) == "out_of_stock":
            if await shop.sql("SELECT 1 FROM reservations WHERE sku = %s AND level = 'allocated'", product["sku"]):
                return found
            await asyncio.sleep(0.005)
        return found

    async def expire() -> str:
        await asyncio.sleep(0.02)
        await inventory.expire_reservations(wide_core)
        return "expired"

    found = await asyncio.gather(*(insist() for _ in range(8)), *(expire() for _ in range(3)))
    assert Counter(found) == {"confirmed": 1, "out_of_stock": 7, "expired": 3}
    assert await levels(shop, product) == [("allocated", 1), ("released", 1)]
    assert await shop.available(product) == await shop.ledger(product) == 0


async def test_one_cart_ordered_and_its_lines_changed_at_once_adds_up(shop, wide_core, create_product, new_caller):
    product = await create_product(stock={"main": 30})
    for _ in range(8):
        caller = new_caller()
        owner = carts.owner_of(caller)
        await add(wide_core, caller, product, 2)
        request = await request_of(shop, caller, product)
        item_id = (await cart_of(shop, caller))["items"][0]["item_id"]

        async def change(owner=owner, item_id=item_id) -> str:
            try:
                await carts.change_item(wide_core, owner, item_id, 1)
            except Problem as problem:
                return problem.code
            return "changed"

        answers = await asyncio.gather(check_out(wide_core, caller, request, None), change(), change())
        assert answers[0].body["status"] == "confirmed"
        bought = answers[0].body["items"][0]["quantity"]
        assert bought in (1, 2) and (bought == 1) == (answers[1:] != ["cart_item_not_found"] * 2)
        assert (await cart_of(shop, caller))["items"] == []
    sold = await shop.sql("SELECT sum(quantity) FROM reservations WHERE sku = %s", product["sku"])
    assert await shop.available(product) == await shop.ledger(product) == 30 - sold[0][0]
    assert [level for level, _ in await levels(shop, product)] == ["allocated"]
