"""Money, for any amount: decimals of the currency, rounding once and half up, and SQL that agrees with Python."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakefront.money import decimals, line_total, money_text, rounded
from transactional.platform.amounts import fits

CURRENCIES = ["USD", "EUR", "JPY", "KRW", "KWD", "BHD", "CLF", "UYW", "XAF", "VND", "GBP", "TND"]
currencies = st.sampled_from(CURRENCIES)
amounts = st.decimals(min_value=0, max_value=Decimal("99999999"), places=4, allow_nan=False, allow_infinity=False)


@given(amounts, currencies)
def test_rounding_moves_at_most_half_a_unit_and_only_once(amount: Decimal, currency: str) -> None:
    result = rounded(amount, currency)
    unit = Decimal(1).scaleb(-decimals(currency))
    assert abs(result - amount) * 2 <= unit
    assert result % unit == 0
    assert rounded(result, currency) == result
    if abs(result - amount) * 2 == unit:
        assert result > amount  # a half goes up


@given(amounts, currencies)
def test_the_text_says_exactly_the_amount(amount: Decimal, currency: str) -> None:
    text = money_text(amount, currency)
    assert Decimal(text) == rounded(amount, currency)
    assert len(text.partition(".")[2]) == decimals(currency)
    assert "E" not in text


@given(amounts, st.integers(min_value=1, max_value=1000), currencies)
def test_a_line_of_payable_prices_is_exact(amount: Decimal, quantity: int, currency: str) -> None:
    price = rounded(amount, currency)
    assert line_total(price, quantity, currency) == price * quantity


@given(amounts, currencies)
def test_what_fits_a_currency_needs_no_rounding(amount: Decimal, currency: str) -> None:
    assert fits(amount, currency) == (rounded(amount, currency) == amount)


@pytest.fixture(scope="module")
def connection(database_url: str):  # type: ignore[no-untyped-def]
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(amounts, currencies), min_size=1, max_size=50))
def test_sql_writes_money_as_python_does(
    connection: psycopg.Connection[tuple[str]], rows: list[tuple[Decimal, str]]
) -> None:
    found = connection.execute(
        "SELECT money_text(amount, currency) FROM unnest(%s::numeric[], %s::text[]) WITH ORDINALITY"
        " AS t (amount, currency, place) ORDER BY place",
        [[amount for amount, _ in rows], [currency for _, currency in rows]],
    ).fetchall()
    assert [row[0] for row in found] == [money_text(amount, currency) for amount, currency in rows]


def test_sql_knows_the_decimals_of_every_currency(connection: psycopg.Connection[tuple[str, int]]) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    codes = [first + second + third for first in letters for second in letters for third in letters]
    found = connection.execute(
        "SELECT code, currency_decimals(code) FROM unnest(%s::text[]) AS code", [codes]
    ).fetchall()
    assert dict(found) == {code: decimals(code) for code in codes}
