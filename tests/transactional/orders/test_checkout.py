"""Checkout through the API: what a shopper is answered, and what then stands in the rows, the history and the
outbox."""

from __future__ import annotations

from decimal import Decimal

from psycopg import _queries

from lakefront.ids import new_id
from lakefront.secrets import keyed_hash


async def test_an_order_is_confirmed_and_told(shop, create_user, create_product):
    user = await create_user()
    product = await create_product(price="12.50", stock={"east": 5, "west": 9})
    headers = {**user.headers, "X-Device-Id": "phone-1"}
    answer = await shop.order(headers, product, 2)
    assert answer.status_code == 201, answer.text
    order = answer.json()
    assert (order["status"], order["payment_status"], order["fraud"]) == (
        "confirmed",
        "authorized",
        {"action": "allow"},
    )
    assert (order["total_amount"], order["currency"]) == ("25.00", "USD")
    assert [(i["quantity"], i["unit_price"], i["total"]) for i in order["items"]] == [(2, "12.50", "25.00")]
    assert order["tracking_number"] and order["estimated_delivery"]

    told = await shop.facts(order["order_id"])
    assert [(f["event_type"], f["sequence"]) for f in told] == [
        ("commerce.order.placed.v1", 1),
        ("commerce.order.status_changed.v1", 2),
    ]
    placed = told[0]["data"]
    assert placed["device"] == keyed_hash("device", "phone-1") and placed["card"] == keyed_hash("card", "tok_visa")
    assert "tok_visa" not in str(told) and user.email not in str(told)
    stock = await shop.facts(f"{product['sku']}:west")
    assert [(f["sequence"], f["data"]["change"], f["data"]["available"]) for f in stock] == [(1, 9, 9), (2, -2, 7)]
    levels = await shop.sql("SELECT level, expires_at FROM reservations WHERE order_id = %s", order["order_id"])
    assert levels == [("allocated", None)]
    assert await shop.available(product) == await shop.ledger(product) == 12


async def test_the_payment_is_captured_by_the_worker_once(shop, create_user, create_product):
    user, product = await create_user(), await create_product(price="9.99", stock={"main": 3})
    order = (await shop.order(user.headers, product)).json()
    await shop.operate()
    await shop.operate()
    payment = await shop.payment(order["order_id"])
    assert (payment["status"], payment["captured"]) == ("captured", Decimal("9.99"))
    assert await shop.charges(order["order_id"]) == [("captured", Decimal("9.99"), Decimal("9.99"), 0, 1)]
    told = await shop.facts(payment["id"])
    assert [(f["sequence"], f["data"]["status"]) for f in told] == [(1, "authorized"), (2, "captured")]


async def test_a_price_that_no_longer_holds_is_refused_with_the_quote(shop, create_user, create_product):
    user, product = await create_user(), await create_product(price="10.00", stock={"main": 3})
    items = [{"product_id": product["product_id"], "quantity": 1, "price": 9.5}]
    answer = await shop.order(user.headers, product, items=items)
    assert (answer.status_code, answer.json()["code"]) == (409, "price_changed")
    quote = answer.json()["quote"]
    assert (quote["items"][0]["unit_price"], quote["total"], quote["currency"]) == ("10.00", "10.00", "USD")
    assert await shop.available(product) == 3
    items[0]["price"] = "10.00"
    assert (await shop.order(user.headers, product, items=items)).status_code == 201


async def test_lines_of_one_product_are_summed(shop, create_user, create_product):
    user, product = await create_user(), await create_product(stock={"main": 3})
    items = [{"product_id": product["product_id"], "quantity": 2}] * 2
    answer = await shop.order(user.headers, product, items=items)
    assert (answer.status_code, answer.json()["code"]) == (409, "out_of_stock")
    assert answer.json()["items"] == [{"product_id": product["product_id"], "requested": 4, "available": 3}]
    assert (
        await shop.sql("SELECT id FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE sku = %s", product["sku"])
        == []
    )


async def test_a_declined_payment_releases_the_stock(shop, create_user, create_product):
    user, product = await create_user(), await create_product(stock={"main": 3})
    answer = await shop.order(user.headers, product, 2, "tok_decline_card")
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_declined")
    order_id = answer.json()["order_id"]
    assert await shop.status(order_id) == "failed"
    assert await shop.available(product) == await shop.ledger(product) == 3
    told = await shop.facts(answer.json()["payment_id"])
    assert [(f["sequence"], f["data"]["status"], f["data"]["reason"]) for f in told] == [(1, "failed", "card_declined")]
    assert told[0]["data"]["card"] == keyed_hash("card", "tok_decline_card")


async def test_a_failed_order_is_paid_by_another_method_and_never_twice(shop, create_user, create_product):
    user, product = await create_user(), await create_product(stock={"main": 3})
    order_id = (await shop.order(user.headers, product, 2, "tok_decline_card")).json()["order_id"]
    body = {"order_id": order_id, "payment_method": "tok_visa"}
    answer = await shop.client.post("/api/v1/payments/process", json=body, headers=user.headers)
    assert (answer.status_code, answer.json()["status"]) == (201, "confirmed")
    again = await shop.client.post("/api/v1/payments/process", json=body, headers=user.headers)
    assert (again.status_code, again.json()["code"]) == (409, "illegal_status")
    assert sorted(c[0] for c in await shop.charges(order_id)) == ["authorized", "declined"]
    assert await shop.available(product) == await shop.ledger(product) == 1
    told = await shop.facts(order_id)
    assert [f["sequence"] for f in told] == [1, 2, 3, 4]
    assert [f["data"]["status"] for f in told[1:]] == ["failed", "pending", "confirmed"]


async def test_a_suspicious_order_is_declined(shop, create_user, create_product):
    user, product = await create_user(), await create_product(stock={"main": 3})
    shop.judge("decline")
    answer = await shop.order(user.headers, product)
    assert (answer.status_code, answer.json()["code"]) == (403, "order_declined")
    order_id = answer.json()["order_id"]
    assert (await shop.status(order_id), await shop.available(product)) == ("failed", 3)
    assert await shop.charges(order_id) == []
    (assessed,) = await shop.sql(
        "SELECT envelope FROM outbox WHERE envelope::json -> 'data' ->> 'order_id' = %s"
        " AND envelope::json ->> 'event_type' = 'decisions.fraud.assessed.v1'",
        order_id,
    )
    assert '"action":"decline"' in assessed[0]


async def test_a_reviewed_order_is_held_until_a_person_decides(shop, create_user, create_product, internal):
    user, product = await create_user(), await create_product(stock={"main": 3})
    shop.judge("review")
    accepted, refused = [(await shop.order(user.headers, product)).json() for _ in range(2)]
    assert (accepted["status"], accepted["payment_status"]) == ("review", "authorized")
    await shop.operate()
    assert (await shop.payment(accepted["order_id"]))["status"] == "authorized"

    url = "/api/v1/orders/{}/review"
    forbidden = await shop.client.post(url.format(accepted["order_id"]), json={"accept": True}, headers=user.headers)
    assert forbidden.status_code == 403
    yes = await shop.client.post(url.format(accepted["order_id"]), json={"accept": True}, headers=internal)
    no = await shop.client.post(url.format(refused["order_id"]), json={"accept": False}, headers=internal)
    assert (yes.json()["status"], no.json()["status"]) == ("confirmed", "cancelled")
    await shop.operate()
    assert (await shop.payment(accepted["order_id"]))["status"] == "captured"
    assert (await shop.payment(refused["order_id"]))["status"] == "voided"
    assert (await shop.charges(refused["order_id"]))[0][0] == "voided"
    assert await shop.available(product) == await shop.ledger(product) == 2


async def test_a_cart_is_ordered_and_emptied(shop, create_product, guest):
    product = await create_product(price="4.00", stock={"main": 3})
    await shop.client.post(
        "/api/v1/cart/items", json={"product_id": product["product_id"], "quantity": 2}, headers=guest
    )
    cart = (await shop.client.get("/api/v1/cart", headers=guest)).json()
    body = shop.body(product, cart_id=cart["cart_id"])
    del body["items"]
    answer = await shop.client.post("/api/v1/orders", json=body, headers=guest)
    assert (answer.status_code, answer.json()["total_amount"]) == (201, "8.00"), answer.text
    again = await shop.client.post("/api/v1/orders", json=body, headers=guest)
    assert (again.status_code, again.json()["code"]) == (409, "cart_empty")
    strangers = await shop.client.post("/api/v1/orders", json=body, headers={"X-Session-Id": "somebody-else"})
    assert (strangers.status_code, strangers.json()["code"]) == (404, "cart_not_found")


async def test_bad_orders_say_what_is_wrong(shop, create_user, create_product):
    user, product = await create_user(), await create_product(stock={"main": 3})
    unknown = {"product_id": "01890000-0000-7000-8000-000000000000"}
    cases = [
        ({"items": [{**unknown, "quantity": 1}]}, 404, "product_not_found"),
        ({"items": [{"product_id": product["product_id"], "quantity": -1}]}, 422, "invalid_request"),
        ({"items": [], "cart_id": None}, 422, "invalid_request"),
        ({"payment_method": "4242 4242 4242 4242"}, 422, "card_number_refused"),
        ({"colour": "red"}, 422, "invalid_request"),
    ]
    for fields, status, code in cases:
        answer = await shop.order(user.headers, product, **fields)
        assert (answer.status_code, answer.json()["code"]) == (status, code), fields
    nobody = await shop.order({}, product)
    assert nobody.status_code == 401
    assert await shop.available(product) == 3


async def test_others_do_not_see_an_order(shop, create_user, create_product, guest):
    owner, other = await create_user(), await create_user()
    product = await create_product(stock={"main": 3})
    order_id = (await shop.order(owner.headers, product)).json()["order_id"]
    for headers in (other.headers, guest, {}):
        for path in (f"/api/v1/orders/{order_id}", f"/api/v1/orders/{order_id}/tracking"):
            assert (await shop.client.get(path, headers=headers)).status_code == 404
        assert (await shop.client.put(f"/api/v1/orders/{order_id}/cancel", headers=headers)).status_code == 404
    tracking = (await shop.client.get(f"/api/v1/orders/{order_id}/tracking", headers=owner.headers)).json()
    assert [step["status"] for step in tracking["history"]] == ["pending", "confirmed"]


async def test_cancelling_gives_everything_back_once(shop, create_user, create_product):
    user, product = await create_user(), await create_product(price="5.00", stock={"main": 3})
    voided, refunded = [(await shop.order(user.headers, product)).json()["order_id"] for _ in range(2)]
    await shop.sql("UPDATE payment_operations SET due_at = now() + interval '1 h' WHERE payment_id = %s",
                   (await shop.payment(voided))["id"])  # fmt: skip
    await shop.operate()
    for order_id in (voided, voided, refunded):
        answer = await shop.client.put(f"/api/v1/orders/{order_id}/cancel", headers=user.headers)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    await shop.operate()
    assert (await shop.charges(voided))[0][0] == "voided"
    assert (await shop.charges(refunded))[0][3] == Decimal("5.00")
    assert [(await shop.payment(o))["status"] for o in (voided, refunded)] == ["voided", "refunded"]
    assert await shop.available(product) == await shop.ledger(product) == 3


async def test_fulfilment_keeps_to_the_state_machine(shop, create_user, create_product, internal):
    user, product = await create_user(), await create_product(stock={"main": 3})
    order_id = (await shop.order(user.headers, product)).json()["order_id"]
    url = f"/api/v1/orders/{order_id}/status"
    early = await shop.client.put(url, json={"status": "delivered"}, headers=internal)
    assert (early.status_code, early.json()["code"]) == (409, "illegal_status")
    for status in ("processing", "shipped", "shipped", "delivered"):
        assert (await shop.client.put(url, json={"status": status}, headers=internal)).json()["status"] == status
    late = await shop.client.put(f"/api/v1/orders/{order_id}/cancel", headers=user.headers)
    assert (late.status_code, late.json()["code"]) == (409, "illegal_status")
    assert [f["sequence"] for f in await shop.facts(order_id)] == [1, 2, 3, 4, 5]


async def test_the_statements_of_an_order_are_parsed_once(shop, create_product, monkeypatch):
    """psycopg does not keep what it has parsed of very large statements, unless it is told to."""

    def parsed_anew(query, encoding):
        raise AssertionError(f"psycopg does not keep this statement of {len(query)} characters")

    monkeypatch.setattr(_queries, "_query2pg_nocache", parsed_anew)
    answer = await shop.order({"X-Session-Id": f"session-{new_id()}"}, await create_product(stock={"main": 1}))
    assert answer.status_code == 201
