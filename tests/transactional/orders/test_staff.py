"""What staff does to other people's orders and payments stands in the audit log, in the same commit."""

from __future__ import annotations

NOTED = "SELECT actor, action, details FROM audit_log WHERE subject = %s ORDER BY id"


async def test_a_cancellation_by_staff_is_told_as_theirs_and_noted(shop, create_user, create_product, internal):
    user, staff, product = await create_user(), await create_user(), await create_product(stock={"main": 3})
    role = f"/api/v1/users/{staff.user_id}/role"
    assert (await shop.client.put(role, json={"role": "support"}, headers=internal)).status_code == 204
    login = {"email": staff.email, "password": staff.password}
    token = (await shop.client.post("/api/v1/auth/login", json=login)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    order_id = (await shop.order(user.headers, product)).json()["order_id"]
    for _ in range(2):  # cancelling twice is once
        assert (await shop.client.put(f"/api/v1/orders/{order_id}/cancel", headers=headers)).status_code == 200
    told = await shop.facts(order_id)
    assert told[-1]["data"]["reason"] == "merchandiser_request"
    details = {"before": "confirmed", "reason": "merchandiser_request"}
    assert await shop.sql(NOTED, order_id) == [(str(staff.user_id), "order_cancelled", details)]


async def test_what_customers_do_to_their_own_orders_is_not_noted(shop, create_user, create_product):
    user = await create_user()
    order_id = (await shop.order(user.headers, await create_product(stock={"main": 3}))).json()["order_id"]
    assert (await shop.client.put(f"/api/v1/orders/{order_id}/cancel", headers=user.headers)).status_code == 200
    assert (await shop.facts(order_id))[-1]["data"]["reason"] == "customer_request"
    assert await shop.sql(NOTED, order_id) == []


async def test_fulfilment_and_refunds_are_noted(shop, create_user, create_product, internal):
    user = await create_user()
    order = (await shop.order(user.headers, await create_product(price="9.50", stock={"main": 3}))).json()
    await shop.operate()
    sent = await shop.client.put(
        f"/api/v1/orders/{order['order_id']}/status", json={"status": "processing"}, headers=internal
    )
    assert sent.status_code == 200, sent.text
    assert await shop.sql(NOTED, order["order_id"]) == [
        ("internal", "order_processing", {"before": "confirmed", "reason": None})
    ]
    refund = {"payment_id": order["payment_id"], "amount": "2.00", "reason": "late"}
    for _ in range(2):  # one key is one refund
        answer = await shop.client.post(
            "/api/v1/payments/refund", json=refund, headers={**internal, "Idempotency-Key": "late-1"}
        )
        assert answer.status_code == 202, answer.text
    assert await shop.sql(NOTED, order["payment_id"]) == [
        ("internal", "payment_refunded", {"amount": "2.00", "currency": "USD"})
    ]
