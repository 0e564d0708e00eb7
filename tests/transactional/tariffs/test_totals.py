"""An order's parts add up to its total exactly, whatever the coupon, the rates, the currency and the lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakefront.ids import new_id
from lakefront.money import decimals, line_total, rounded
from transactional.orders.checkout.shipping import ShippingOption
from transactional.orders.checkout.totals import Line, Quote
from transactional.promotions.discounts import Coupon, discount_of, shares
from transactional.stored_value.draws import StoredValue, draw
from transactional.tariffs.errors import RegionNeeded
from transactional.tariffs.exchange import BadRates, converted, read_ecb
from transactional.tariffs.taxes import DutyRate, DutyTable, Goods, Sale, TaxRate, TaxTable

NOW = datetime(2026, 3, 3, tzinfo=UTC)
PER_EURO = {"EUR": Decimal(1), "USD": Decimal("1.0868"), "JPY": Decimal("161.25"), "KWD": Decimal("0.3327")}
currencies = st.sampled_from(sorted(PER_EURO))
percents = st.decimals(min_value=Decimal("0.01"), max_value=100, places=2)
prices = st.decimals(min_value=0, max_value=Decimal("100000"), places=4)
CATEGORIES = ["home", "home/lamps", "home/lamps/led", "books"]


def a_coupon(kind: str, value: Decimal, currency: str | None) -> Coupon:
    return Coupon(new_id(), "C", kind, value, currency, None, NOW, None, None, None, 0, 0)


@given(
    currency=currencies,
    units=st.lists(st.tuples(prices, st.integers(1, 1000), st.sampled_from(CATEGORIES), st.booleans()), min_size=1),
    coupon=st.tuples(st.sampled_from(["percentage", "amount", "none"]), percents),
    tax=st.tuples(percents, st.booleans(), st.booleans()),
    duty=st.tuples(percents, prices),
    shipping=prices,
    balances=st.lists(prices, max_size=4),
)
def test_the_parts_of_a_quote_add_up(currency, units, coupon, tax, duty, shipping, balances):
    unit = Decimal(1).scaleb(-decimals(currency))
    before = [line_total(rounded(price, currency), quantity, currency) for price, quantity, _, _ in units]
    kind, value = coupon
    discount = Decimal(0)
    if kind != "none":
        value = rounded(value, currency) or unit if kind == "amount" else value
        discount = discount_of(a_coupon(kind, value, currency), sum(before), currency)
    parts = shares(discount, before, currency)
    assert sum(parts) == discount and all(0 <= part <= total for part, total in zip(parts, before, strict=True))
    lines = [
        Line(new_id(), "S", "", category, "main", quantity, price, rounded(price, currency), part, total - part)
        for (price, quantity, category, _), part, total in zip(units, parts, before, strict=True)
    ]
    cost = rounded(shipping, currency)
    goods = [Goods(line.category_path, line.total, abroad) for line, (*_, abroad) in zip(lines, units, strict=True)]
    sale = Sale(currency, "XX", "", goods, cost)
    taxes = TaxTable([TaxRate("XX", "", "", *tax)]).tax_of(sale)
    duties = DutyTable([DutyRate("XX", "home", *duty, "USD")], PER_EURO).duties_of(sale)
    quote = Quote(lines, currency, discount, ShippingOption("standard", cost, NOW), taxes, duties, None)
    assert quote.subtotal == sum(before)
    assert quote.subtotal - quote.discount + quote.shipping + quote.tax + quote.duties == quote.total >= 0
    assert quote.total % unit == 0 and taxes.included <= quote.goods + quote.shipping
    said = {name: Decimal(text) for name, text in quote.charges().items()}
    told = said["subtotal"] - said["discount"] + said["shipping"] + said["tax"] + said["duties"]
    assert told == Decimal(quote.answer()["total"])

    values = [
        StoredValue(new_id(), "store_credit", None, None, currency, rounded(balance, currency), None, None)
        for balance in balances
    ]
    paid = replace(quote, draws=draw(quote.total, values))
    assert all(0 < one.amount <= one.value.available for one in paid.draws)
    assert paid.total - paid.stored_value == paid.due >= 0
    assert paid.due == max(quote.total - sum(value.available for value in values), 0)
    said_draws = sum(Decimal(one["amount"]) for one in paid.answer()["stored_value"])
    assert Decimal(paid.answer()["total"]) - said_draws == Decimal(paid.answer()["amount_due"])


def test_the_narrowest_tax_rate_counts():
    rates = [
        TaxRate("US", "", "", Decimal(0), False, False),
        TaxRate("US", "WA", "", Decimal("6.5"), False, True),
        TaxRate("US", "WA", "books", Decimal(0), False, True),
        TaxRate("DE", "", "", Decimal(19), True, True),
        TaxRate("DE", "", "books", Decimal(7), True, True),
    ]
    goods = [Goods("books/novels", Decimal("10.00"), False), Goods("home/lamps", Decimal("20.00"), False)]
    table = TaxTable(rates)

    def tax(country: str, region: str) -> tuple[Decimal, Decimal]:
        found = table.tax_of(Sale("USD", country, region, goods, Decimal("5.00")))
        return found.added, found.included

    assert tax("US", "WA") == (Decimal("1.63"), 0)  # 6.5 % of 20.00 is 1.30, of 5.00 it is 0.33
    assert tax("US", "OR") == (0, 0)
    assert tax("DE", "") == (0, Decimal("0.65") + Decimal("3.19") + Decimal("0.80"))
    assert tax("JP", "") == (0, 0)
    with pytest.raises(RegionNeeded, match="Taxes in US depend on it"):
        tax("US", "")


def test_duties_are_owed_above_the_threshold_on_what_crosses_the_border():
    table = DutyTable(
        [
            DutyRate("GB", "", Decimal(4), Decimal("150.00"), "EUR"),
            DutyRate("GB", "books", Decimal(0), Decimal(0), "EUR"),
        ],
        PER_EURO,
    )

    def duties(*goods: Goods) -> Decimal:
        return table.duties_of(Sale("USD", "GB", "", goods, Decimal(0)))

    lamp = Goods("home/lamps", Decimal("163.02"), True)  # 150.00 EUR
    assert duties(lamp) == 0
    assert duties(lamp, Goods("books", Decimal("0.01"), True)) == Decimal("6.52")
    assert duties(lamp, Goods("home", Decimal("900.00"), False)) == 0


def test_amounts_are_converted_once_in_the_decimals_of_the_currency():
    assert converted(Decimal("10.00"), "USD", "JPY", PER_EURO) == Decimal("1484")
    assert converted(Decimal("10.00"), "USD", "KWD", PER_EURO) == Decimal("3.061")
    assert converted(Decimal(1000), "JPY", "USD", PER_EURO) == Decimal("6.74")
    assert converted(Decimal("1.005"), "KWD", "KWD", {}) == Decimal("1.005")
    assert converted(Decimal("1.00"), "USD", "CHF", PER_EURO) is None


def test_the_central_banks_files_are_read():
    daily = "Date, USD, JPY, BGN, \n02 August 2024, 1.0868, 161.25, N/A, \n"
    assert [(day.isoformat(), currency, rate) for day, currency, rate in read_ecb(daily)] == [
        ("2024-08-02", "USD", Decimal("1.0868")),
        ("2024-08-02", "JPY", Decimal("161.25")),
    ]
    history = "Date,USD,JPY,\n2024-08-02,1.0868,161.25,\n2024-08-01,1.0790,162.66,\n"
    assert len(read_ecb(history)) == 4
    for wrong in (
        "", "Date,USD\n", "Day,USD\n1,2\n", "Date,USD\n2024-13-01,1\n", "Date,USD\n2024-08-01,-1\n",
        "Date,USD\n2024-08-01,1e30\n", "Date,EUR,USD\n2024-08-01,2,1.1\n", "Date,USD\n2024-08-01,N/A\n",
        "Date,USD\n2024-08-01,1.1\n2024-08-01,1.2\n",
    ):  # fmt: skip
        with pytest.raises(BadRates):
            read_ecb(wrong)
