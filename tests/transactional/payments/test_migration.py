"""A shop that already has payments when the ledger comes has a ledger that is right."""

from __future__ import annotations

from decimal import Decimal

import psycopg

from lakefront.ids import new_id
from transactional.payments import ledger
from transactional.platform.database import Database
from transactional.platform.migrate import upgrade

ORDER = """
INSERT INTO orders (id, status, currency, total, placed_at, updated_at) VALUES (%s, 'confirmed', 'USD', 20, now(), now())
"""
PAYMENT = """
INSERT INTO payments (id, order_id, status, amount, currency, gateway, method_token, captured, refunded, created_at,
                      updated_at)
VALUES (%s, %s, %s, 20, 'USD', 'sandbox', 'tok_visa', %s, %s, now(), now())
"""
OPERATION = """
INSERT INTO payment_operations (id, payment_id, kind, amount, status, due_at, created_at)
VALUES (%s, %s, %s, %s, %s, now(), now())
"""
LIVES = {
    "captured": ("captured", 20, 0, [("capture", 20, "done")]),
    "refunded": ("refunded", 20, 20, [("capture", 20, "done"), ("refund", 5, "done"), ("refund", 15, "done")]),
    "refund due": ("captured", 20, 5, [("capture", 20, "done"), ("refund", 5, "due")]),
    "refund refused": ("captured", 20, 0, [("capture", 20, "done"), ("refund", 5, "refused")]),
    "charged back": ("charged_back", 20, 5, [("capture", 20, "done"), ("refund", 5, "done")]),
    "authorized": ("authorized", 0, 0, [("capture", 20, "due")]),
    "voided": ("voided", 0, 0, [("reverse", 20, "done")]),
}
HELD = {"captured": 20, "refund due": 20, "refund refused": 20}


async def test_payments_from_before_the_ledger_are_posted(new_database):
    url = new_database()
    upgrade(url, "0003")
    payments = {name: new_id() for name in LIVES}
    with psycopg.connect(url, autocommit=True) as connection:
        for name, (status, captured, refunded, operations) in LIVES.items():
            order_id = new_id()
            connection.execute(ORDER, [order_id])
            connection.execute(PAYMENT, [payments[name], order_id, status, captured, refunded])
            for operation in operations:
                connection.execute(OPERATION, [new_id(), payments[name], *operation])
    upgrade(url)
    db = await Database.open(url, 1)
    try:
        report = await ledger.check_database(db)
        async with db.connection() as connection:
            cursor = await connection.execute(
                "SELECT payment_id, sum(amount) FROM payment_ledger_entries WHERE account = 'gateway_clearing'"
                " GROUP BY payment_id HAVING sum(amount) <> 0"
            )
            held = dict(await cursor.fetchall())
    finally:
        await db.close()
    assert report.differences == [] and report.is_right
    assert held == {payments[name]: Decimal(amount) for name, amount in HELD.items()}
