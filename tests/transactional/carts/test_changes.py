"""Since the shopper last looked: another price, less stock than wanted, enough again. Each look tells it once."""

from __future__ import annotations

import asyncio


def changes(cart):
    return [(i["previous_unit_price"], i["previous_available_quantity"]) for i in cart["items"]]


async def test_a_new_price_is_told_once_beside_the_one_when_added(carts, create_product):
    product, guest = await create_product(price="10.00", stock={"main": 5}), carts.guest()
    assert changes(await carts.add(guest, product, 2)) == [(None, None)]
    await carts.price(product, "11.00")
    cart = await carts.look(guest)
    assert changes(cart) == [("10.00", None)]
    assert (cart["items"][0]["unit_price"], cart["total"]) == ("11.00", "22.00")
    await carts.price(product, "9.50")
    assert changes(await carts.look(guest)) == [("11.00", None)]
    cart = await carts.look(guest)
    assert changes(cart) == [(None, None)]
    assert cart["items"][0]["price_when_added"] == "10.00"


async def test_stock_is_told_when_it_matters_to_the_quantity(carts, create_product):
    product, guest = await create_product(stock={"main": 9}), carts.guest()
    await carts.add(guest, product, 4)
    await carts.count(product, 5)  # still enough
    assert changes(await carts.look(guest)) == [(None, None)]
    await carts.count(product, 3)
    cart = await carts.look(guest)
    assert (changes(cart), cart["items"][0]["available_quantity"]) == ([(None, 9)], 3)
    assert changes(await carts.look(guest)) == [(None, None)]
    await carts.count(product, 8)
    cart = await carts.look(guest)
    assert (changes(cart), cart["items"][0]["available"]) == ([(None, 3)], True)


async def test_what_shoppers_change_themselves_is_no_news(carts, create_product):
    product, guest = await create_product(stock={"main": 3}), carts.guest()
    item = (await carts.add(guest, product, 2))["items"][0]
    cart = await carts.change(guest, item, 7)
    assert (changes(cart), cart["items"][0]["available"]) == ([(None, None)], False)
    await carts.count(product, 7)
    assert changes(await carts.look(guest)) == [(None, 3)]


async def test_a_product_taken_from_sale_is_told(shop, carts, create_product):
    product, guest = await create_product(stock={"main": 3}), carts.guest()
    await carts.add(guest, product, 2)
    await shop.sql("UPDATE products SET status = 'inactive' WHERE id = %s", product["product_id"])
    cart = await carts.look(guest)
    assert (changes(cart), cart["items"][0]["available_quantity"]) == ([(None, 3)], 0)


async def test_looking_from_many_tabs_while_the_cart_changes_never_blocks(shop, carts, create_product):
    products, guest = [await create_product(stock={"main": 50}) for _ in range(3)], carts.guest()
    for product in products:
        await carts.add(guest, product)
    for turn in range(6):
        for product in products:
            await carts.price(product, f"{20 + turn}.00")
        await asyncio.gather(
            *(carts.look(guest) for _ in range(6)),
            *(carts.add(guest, product) for product in products),
            *(carts.add(guest, product) for product in reversed(products)),
        )
    cart = await carts.look(guest)
    assert [i["quantity"] for i in cart["items"]] == [13] * 3
