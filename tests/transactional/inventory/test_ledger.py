"""Every movement of stock stands in a ledger that is only added to, and whose sum is the stock: a check proves it."""

from __future__ import annotations

import psycopg
import pytest
from typer.testing import CliRunner

from lakefront.ids import new_id
from transactional.inventory.command import app


def run_check():
    """`lakefront inventory check`, on a wide terminal."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["check"])


async def differences(shop, internal, product):
    answer = (await shop.client.get("/api/v1/inventory/ledger/check", headers=internal)).json()
    assert answer["balanced"] is not bool(answer["differences"])
    return [one for one in answer["differences"] if one["sku"] == product["sku"]]


async def test_every_movement_is_in_the_ledger(shop, internal, create_product):
    product = await create_product(stock={"main": 9})
    guest = {"X-Session-Id": f"session-{new_id()}"}
    bought = (await shop.order(guest, product, 2)).json()
    await shop.order(guest, product, 3, "tok_decline_x")
    url = f"/api/v1/inventory/{product['product_id']}/quantity"
    await shop.client.put(url, json={"warehouse": "main", "quantity": 12}, headers=internal)
    await shop.client.put(f"/api/v1/orders/{bought['order_id']}/cancel", headers=guest)
    moves = await shop.sql("SELECT change, reason FROM stock_ledger WHERE sku = %s ORDER BY id", product["sku"])
    assert moves == [
        (9, "receipt"), (-2, "reservation"), (-3, "reservation"), (3, "release"), (5, "correction"), (2, "release"),
    ]  # fmt: skip
    assert await shop.available(product) == await shop.ledger(product) == 14
    assert await differences(shop, internal, product) == []


async def test_the_check_finds_stock_that_moved_without_the_ledger(shop, internal, create_product):
    product = await create_product(stock={"main": 5, "west": 2})
    await shop.sql("UPDATE stock SET available = 6 WHERE sku = %s AND warehouse = 'main'", product["sku"])
    assert await differences(shop, internal, product) == [
        {"sku": product["sku"], "warehouse": "main", "available": 6, "ledger": 5}
    ]
    await shop.sql("UPDATE stock SET available = 5 WHERE sku = %s AND warehouse = 'main'", product["sku"])
    assert await differences(shop, internal, product) == []


async def test_the_command_shows_the_difference_and_fails(shop, create_product):
    product = await create_product(stock={"main": 5})
    await shop.sql("UPDATE stock SET available = 77 WHERE sku = %s", product["sku"])
    found = run_check()
    assert found.exit_code == 1
    (line,) = [line for line in found.output.splitlines() if product["sku"] in line]
    assert [cell.strip() for cell in line.split("│")][1:-1] == [product["sku"], "main", "77", "5"]
    await shop.sql("UPDATE stock SET available = 5 WHERE sku = %s", product["sku"])
    assert product["sku"] not in run_check().output


@pytest.mark.parametrize("statement", ["UPDATE stock_ledger SET change = 0", "DELETE FROM stock_ledger"])
async def test_the_ledger_is_append_only(shop, create_product, statement):
    product = await create_product(stock={"main": 5})
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        await shop.sql(f"{statement} WHERE sku = %s", product["sku"])
    assert await shop.ledger(product) == 5


async def test_reserved_is_what_has_not_left_the_house(shop, internal, create_product):
    product = await create_product(stock={"main": 5})
    guest = {"X-Session-Id": f"session-{new_id()}"}
    orders = [(await shop.order(guest, product, quantity)).json()["order_id"] for quantity in (1, 2)]

    async def stock():
        answer = (await shop.client.get(f"/api/v1/inventory/{product['product_id']}/stock")).json()
        return answer["available"], answer["reserved"]

    assert await stock() == (2, 3)
    for status in ("processing", "shipped"):
        url = f"/api/v1/orders/{orders[1]}/status"
        assert (await shop.client.put(url, json={"status": status}, headers=internal)).status_code == 200
    assert await stock() == (2, 1)
    await shop.client.put(f"/api/v1/orders/{orders[0]}/cancel", headers=guest)
    assert await stock() == (3, 0)
    assert await shop.ledger(product) == 3


async def test_lines_and_channels_draw_on_the_same_stock_together(shop, internal, create_product):
    product = await create_product(stock={"main": 7})
    guest = {"X-Session-Id": f"session-{new_id()}"}

    def lines(*quantities):
        return [{"product_id": product["product_id"], "quantity": quantity} for quantity in quantities]

    refused = await shop.order(guest, product, items=lines(4, 4))
    assert (refused.status_code, refused.json()["items"]) == (
        409, [{"product_id": product["product_id"], "requested": 8, "available": 7}],
    )  # fmt: skip
    held = await shop.client.post("/api/v1/inventory/reserve", json={"items": lines(1, 2)}, headers=internal)
    assert [i["quantity"] for i in held.json()["items"]] == [3]
    assert (await shop.order(guest, product, items=lines(3, 2))).json()["code"] == "out_of_stock"
    order = (await shop.order(guest, product, items=lines(3, 1))).json()
    assert [(i["quantity"], i["total"]) for i in order["items"]] == [(4, "40.00")]
    assert await shop.available(product) == await shop.ledger(product) == 0
