"""No card number gets in, is logged or is told to the world; what only looks like one to a careless eye does."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakefront.card_numbers import CardNumberRefused, holds_card_number, without_card_numbers
from lakefront.clock import real_now
from lakefront.contracts.commerce import PaymentChanged, UserRegistered
from lakefront.ids import new_id
from transactional.platform.outbox import Fact, outbox_columns

CARDS = [
    "4242424242424242",  # Visa
    "4222222222222",  # Visa of thirteen digits
    "5555555555554444",  # Mastercard
    "2223003122003222",  # Mastercard of the second series
    "378282246310005",  # American Express
    "6011111111111117",  # Discover
    "30569309025904",  # Diners Club
    "3566002020360505",  # JCB
    "6205500000000000004",  # UnionPay of nineteen digits
]


@pytest.mark.parametrize("number", CARDS)
def test_card_numbers_are_seen_however_they_are_written(number):
    groups = [number[:4], number[4:8], number[8:12], number[12:]]
    for written in (
        number,
        " ".join(groups),
        "-".join(groups),
        f'"card:{number}"',
        f"pay with {number}.",
        f"tok_{number}",
    ):
        assert holds_card_number(written), written
    assert not holds_card_number(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "424242424242",  # twelve digits
        "42424242424242424242",  # twenty
        "4242424242424243",  # fails the Luhn check
        "a4242424242424242",
        "4242424242424242f",
        "0.4242424242424242",
        "4242424242424242.5",
        "1763904599123",  # milliseconds since 1970
        "4006381333931",  # a GTIN that also passes the Luhn check
        "2026-11-23 13:59:18.123456",
    ],
)
def test_other_numbers_are_not_taken_for_cards(text):
    assert not holds_card_number(text)


@given(st.uuids(), st.integers(0, 2**128 - 1), st.floats(0, 1))
def test_identifiers_hashes_and_floats_are_not_taken_for_cards(identifier, number, share):
    digest = f"{number:032x}"
    assert not holds_card_number(
        json.dumps({"id": str(identifier), "hash": digest, "sku": f"SKU-{digest}", "p": share})
    )


def test_a_uuid_whose_end_reads_like_a_card_is_none():
    assert not holds_card_number(str(uuid.UUID("01930000-1234-7123-4242-424242424242")))
    assert holds_card_number("4242-424242424242")


def test_only_the_number_is_taken_out_of_a_line():
    line = without_card_numbers(
        b'{"error":"no card 4242 4242 4242 4242 here","id":"01930000-1234-7123-4242-424242424242"}'
    )
    assert line == b'{"error":"no card [card number removed] here","id":"01930000-1234-7123-4242-424242424242"}'


@pytest.mark.parametrize("number", [4242424242424242, "4242 4242 4242 4242", "my card is 5555555555554444!"])
async def test_a_request_that_holds_one_is_refused_wherever_it_stands(shop, guest, create_product, number):
    product = await create_product(stock={"main": 1})
    body = shop.body(product)
    body["shipping_address"]["street"] = number
    answer = await shop.client.post("/api/v1/orders", json=body, headers=guest)
    assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")
    assert "4242" not in answer.text and "5555" not in answer.text
    assert await shop.sql("SELECT id FROM orders WHERE session = %s", guest["X-Session-Id"]) == []


async def test_a_card_number_as_payment_method_is_refused(shop, guest, create_product):
    product = await create_product(stock={"main": 1})
    answer = await shop.order(guest, product, 1, "4242424242424242")
    assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")


async def test_a_number_that_comes_in_two_parts_is_refused(shop, guest, create_product):
    product = await create_product(stock={"main": 1})
    body = json.dumps(shop.body(product, token="tok_4242424242424242")).encode()
    middle = body.index(b"42424242") + 6

    async def parts():
        yield body[:middle]
        yield body[middle:]

    headers = {**guest, "Content-Type": "application/json"}
    answer = await shop.client.post("/api/v1/orders", content=parts(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")


async def test_an_address_that_holds_one_is_refused_and_not_logged(client, capfdbinary):
    for path in ("/api/v1/products?category=4242+4242%204242-4242", "/api/v1/products/4242424242424242"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")
    logged = capfdbinary.readouterr().out
    assert b'"status":422' in logged and b"4242" not in logged


@pytest.mark.parametrize("header", ["X-Session-Id", "Idempotency-Key", "X-Correlation-Id"])
async def test_a_header_that_would_be_kept_is_refused(shop, guest, create_product, header):
    product = await create_product(stock={"main": 1})
    answer = await shop.order({**guest, header: "4242424242424242"}, product)
    assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")
    assert await shop.available(product) == 1


async def test_an_event_that_would_hold_one_undoes_what_it_tells_of(shop, guest, create_product):
    product = await create_product(stock={"main": 2})
    number = f"42{new_id().int % 10**13:013d}"
    number += next(digit for digit in "0123456789" if holds_card_number(number + digit))
    await rename(shop, product, number)
    try:
        answer = await shop.order(guest, product)
        assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")
        assert number not in answer.text
        assert await shop.sql("SELECT id FROM orders WHERE session = %s", guest["X-Session-Id"]) == []
    finally:
        await rename(shop, product, product["sku"])


async def rename(shop, product, sku) -> None:
    await shop.sql("UPDATE products SET sku = %s WHERE id = %s", sku, product["product_id"])
    await shop.sql("UPDATE stock SET sku = %s WHERE product_id = %s", sku, product["product_id"])


def test_an_event_that_would_hold_one_is_refused():
    data = PaymentChanged(
        payment_id=new_id(), order_id=new_id(), user=None, status="failed", amount="1.00", currency="USD",
        gateway="sandbox", reason="4242424242424242",
    )  # fmt: skip
    with pytest.raises(CardNumberRefused, match=r"payments\.payment\.changed\.v1") as refused:
        outbox_columns([Fact(data, sequence=1, occurred_at=real_now(), source="test")], 4)
    assert "4242" not in str(refused.value)


def test_of_several_events_the_one_that_would_hold_one_is_named():
    innocent = UserRegistered(user=new_id(), email_domain="example.com")
    guilty = PaymentChanged(
        payment_id=new_id(), order_id=new_id(), user=None, status="failed", amount="1.00", currency="USD",
        gateway="sandbox", reason="4242 4242 4242 4242",
    )  # fmt: skip
    facts = [Fact(data, sequence=1, occurred_at=real_now(), source="test") for data in (innocent, guilty, innocent)]
    with pytest.raises(CardNumberRefused, match=r"payments\.payment\.changed\.v1"):
        outbox_columns(facts, 4)
    assert len(outbox_columns([facts[0], facts[2]], 4)[1]) == 2


def test_a_log_line_never_holds_one():
    program = (
        "import logging, structlog\n"
        "from lakefront.telemetry import configure\n"
        "configure('test')\n"
        "structlog.get_logger().warning('refused', number=4242424242424242, nested={'a': ['4242-4242-4242-4242']})\n"
        "logging.getLogger('other').warning('card %s', '4242 4242 4242 4242')\n"
        "try:\n    raise ValueError('5555555555554444')\n"
        "except ValueError:\n    structlog.get_logger().exception('failed')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.count("[card number removed]") == 4
    assert "4242" not in done.stdout and "5555" not in done.stdout
