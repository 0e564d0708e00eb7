"""Prices keep within their limit and their currency's decimals, whatever the factor."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from lakefront.money import decimals, rounded
from transactional.pricing.rules import change, factor_within_limit, price_for, within_limit

BASES = st.decimals(min_value="0.05", max_value="99999", places=2)


@given(BASES, st.floats(0.8, 1.2))
def test_a_price_stays_within_the_limit_and_its_decimals(base, factor):
    price = price_for(base, factor, "USD", 0.2)
    assert within_limit(base, price, 0.2)
    assert price == price.quantize(Decimal(1).scaleb(-decimals("USD")))
    assert abs(price - base * Decimal(str(factor))) <= Decimal("0.01")


@given(BASES, st.floats(0.85, 1.15))
def test_inside_the_limit_it_is_the_rounded_product(base, factor):
    if base > 1:
        assert price_for(base, factor, "USD", 0.2) == rounded(base * Decimal(str(factor)), "USD")


def test_the_limit_is_inclusive():
    assert factor_within_limit(1.2, 0.2) and factor_within_limit(0.8, 0.2)
    assert not factor_within_limit(1.2001, 0.2) and not factor_within_limit(0.79, 0.2)
    assert within_limit(Decimal("10.00"), Decimal("12.00"), 0.2) and not within_limit(
        Decimal("10.00"), Decimal("12.01"), 0.2
    )


def test_rounding_never_leads_beyond_the_limit():
    assert price_for(Decimal("9.99"), 1.2, "USD", 0.2) == Decimal("11.98")
    assert price_for(Decimal("9.99"), 0.8, "USD", 0.2) == Decimal("8.00")
    assert change(Decimal("10"), Decimal("10.30")) == 0.03
