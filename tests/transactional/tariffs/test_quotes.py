"""What a checkout costs from tables: the quote says it, the order charges it, and its parts stand on the order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from lakefront.ids import new_id
from transactional.tariffs import service
from transactional.tariffs.snapshot import forget, install
from transactional.tariffs.taxes import Sale, Tax, TaxTable

# Countries of which no other test loads rates.
ADDRESS = {"street": "1 Way", "city": "Town", "state": "", "zip": "1", "country": "FI"}
ECB = "Date,USD,JPY,KWD,\n2020-01-02,1.25,150.00,0.34,\n"


def guest() -> dict[str, str]:
    return {"X-Session-Id": f"session-{new_id()}"}


@pytest.fixture
def load(shop):
    """``await load(service.load_taxes, "country,…")``: loaded as the command does it, and in force at once."""

    async def loading(loader, text: str) -> None:
        await loader(shop.core.db, text)
        forget(shop.core)

    return loading


@pytest.fixture
def quote(shop):
    """``await quote(product, 2, ship_to=…)``: the answer of `POST /checkout/quote`."""

    async def ask(product, quantity=1, **fields):
        body = {"items": [{"product_id": product["product_id"], "quantity": quantity}], **fields}
        return await shop.client.post("/api/v1/checkout/quote", json=body, headers=guest())

    return ask


@pytest.fixture
async def helsinki(shop, load):
    """A warehouse in Finland."""
    code = f"hel-{new_id().hex[-12:]}"
    await shop.sql(
        "INSERT INTO warehouses (code, name, country, latitude, longitude) VALUES (%s, 'Helsinki', 'FI', 60.17, 24.94)",
        code,
    )
    forget(shop.core)
    return code


async def test_tax_within_the_prices_is_told_and_not_added(shop, create_product, load, quote):
    await load(service.load_taxes, "country,region,category,rate,is_inclusive\nFI,,,25.5,true\n")
    product = await create_product(price="12.55", stock={"main": 9})
    shown = (await quote(product, 2, ship_to={"country": "FI"})).json()
    assert (shown["subtotal"], shown["tax"], shown["tax_included"], shown["total"]) == (
        "25.10",
        "0.00",
        "5.10",
        "25.10",
    )
    order = (await shop.order(guest(), product, 2, shipping_address=ADDRESS)).json()
    assert (order["total_amount"], order["charges"]["tax_included"]) == ("25.10", "5.10")


async def test_tax_on_top_is_charged_to_the_cent(shop, create_product, load, quote):
    await load(
        service.load_taxes,
        "country,region,category,rate,is_inclusive\nCA,,,5,false\nCA,QC,,14.975,false\nCA,QC,books,5,false\n",
    )
    book = await create_product(price="9.99", category="books/novels", stock={"main": 9})
    lamp = await create_product(price="19.99", stock={"main": 9})
    items = [{"product_id": p["product_id"], "quantity": 1} for p in (book, lamp)]
    address = {**ADDRESS, "country": "CA", "state": "QC"}
    shown = (await quote(book, items=items, ship_to={"country": "CA", "state": "QC"})).json()
    assert (shown["subtotal"], shown["tax"], shown["total"]) == ("29.98", "3.49", "33.47")  # 0.50 and 2.99
    headers = guest()
    answer = await shop.order(headers, book, items=items, shipping_address=address, expected_total=33.47)
    assert answer.status_code == 201, answer.text
    order_id = answer.json()["order_id"]
    assert (await shop.charges(order_id))[0][1] == Decimal("33.47")
    order = (await shop.client.get(f"/api/v1/orders/{order_id}", headers=headers)).json()
    assert (order["charges"]["tax"], order["total_amount"]) == ("3.49", "33.47")
    placed = (await shop.facts(order_id))[0]["data"]
    assert (placed["tax"], placed["total"], placed["shipping"]) == ("3.49", "33.47", None)


async def test_shipping_is_offered_by_distance_and_charged(shop, create_product, helsinki, quote):
    product = await create_product(price="10.00", stock={helsinki: 9})
    shown = (await quote(product, ship_to={"country": "FI"})).json()
    offered = {option["code"]: option for option in shown["shipping_options"]}
    assert {"standard", "next_day"} <= set(offered)
    assert offered["standard"]["cost"] == "0.00" and Decimal(offered["next_day"]["cost"]) > Decimal("9.90")
    assert (shown["shipping_method"], shown["shipping"], shown["total"]) == ("standard", "0.00", "10.00")
    assert offered["next_day"]["estimated_delivery"] <= offered["standard"]["estimated_delivery"]

    headers = guest()
    answer = await shop.order(headers, product, shipping_address=ADDRESS, shipping_method="next_day")
    order = answer.json()
    cost = Decimal(offered["next_day"]["cost"])
    assert (order["status"], order["charges"]["shipping"]) == ("confirmed", str(cost)), order
    assert Decimal(order["total_amount"]) == 10 + cost
    estimated = datetime.fromisoformat(order["estimated_delivery"])
    assert datetime.now(UTC) < estimated < datetime.now(UTC) + timedelta(days=5)
    detail = (await shop.client.get(f"/api/v1/orders/{order['order_id']}", headers=headers)).json()
    assert datetime.fromisoformat(detail["estimated_delivery"]) == estimated
    assert detail["shipping_method"] == "next_day"


async def test_a_service_that_does_not_reach_is_refused_with_those_that_do(shop, create_product, helsinki):
    product = await create_product(price="10.00", stock={helsinki: 9})
    address = {**ADDRESS, "country": "NZ"}
    answer = await shop.order(guest(), product, shipping_address=address, shipping_method="next_day")
    assert (answer.status_code, answer.json()["code"]) == (409, "shipping_not_available")
    assert [option["code"] for option in answer.json()["shipping_options"]] == ["standard"]
    assert await shop.available(product) == 9


async def test_duties_are_charged_on_what_crosses_a_border(shop, create_product, load, helsinki, quote):
    await load(service.load_exchange_rates, ECB)
    await load(service.load_duties, "country,category,rate,threshold,currency\nCH,,4.5,60.00,EUR\n")
    product = await create_product(price="25.05", stock={helsinki: 9})
    swiss = {"country": "CH"}
    assert (await quote(product, 2, ship_to=swiss)).json()["duties"] == "0.00"  # 50.10 USD are 40.08 EUR
    shown = (await quote(product, 4, ship_to=swiss)).json()
    assert (shown["duties"], shown["total"]) == ("4.51", "104.71")
    assert (await quote(product, 4, ship_to={"country": "DE"})).json()["duties"] == "0.00"
    order = (await shop.order(guest(), product, 4, shipping_address={**ADDRESS, "country": "CH"})).json()
    assert (order["charges"]["duties"], order["total_amount"]) == ("4.51", "104.71")


@pytest.mark.parametrize(("currency", "unit", "total"), [("JPY", "1488", "2976"), ("KWD", "3.373", "6.746")])
async def test_an_order_is_paid_in_another_currency(shop, create_product, load, currency, unit, total):
    await load(service.load_exchange_rates, ECB)
    product = await create_product(price="12.40", stock={"main": 9})
    headers = guest()
    answer = await shop.order(headers, product, 2, currency=currency, expected_total=total)
    order = answer.json()
    assert answer.status_code == 201, order
    assert (order["currency"], order["total_amount"], order["items"][0]["unit_price"]) == (currency, total, unit)
    assert await shop.sql("SELECT amount, currency FROM payments WHERE order_id = %s", order["order_id"]) == [
        (Decimal(total), currency)
    ]
    detail = (await shop.client.get(f"/api/v1/orders/{order['order_id']}", headers=headers)).json()
    assert (detail["total_amount"], detail["charges"]["subtotal"]) == (total, total)


async def test_risk_is_judged_by_the_price_at_which_products_are_listed(shop, create_product, load):
    """Else 1,488 yen would be as suspicious as 1,488 dollars, and a large order in dinars would not be."""
    await load(service.load_exchange_rates, ECB)
    product = await create_product(price="12.40", stock={"main": 9})
    for currency in ("USD", "JPY", "KWD"):
        order = (await shop.order(guest(), product, 2, currency=currency)).json()
        ((envelope,),) = await shop.sql(
            "SELECT envelope::json -> 'data' FROM outbox WHERE envelope::json ->> 'event_type' ="
            " 'decisions.fraud.assessed.v1' AND envelope::json -> 'data' ->> 'order_id' = %s",
            order["order_id"],
        )
        assert envelope["features"]["order_total"] == pytest.approx(24.80, abs=0.01), currency
        placed = (await shop.facts(order["order_id"]))[0]["data"]
        expected = (None, None) if currency == "USD" else (placed["listed_total"], "USD")
        assert (placed["listed_total"], placed["listed_currency"]) == expected
        if currency != "USD":
            assert Decimal(placed["listed_total"]) == pytest.approx(Decimal("24.80"), abs=Decimal("0.01"))


async def test_a_price_set_for_a_currency_goes_before_the_rate(shop, create_product, load, quote, internal):
    await load(service.load_exchange_rates, ECB)
    product = await create_product(price="12.40", stock={"main": 9})
    url = f"/api/v1/pricing/products/{product['product_id']}/currencies/JPY"
    wrong = await shop.client.put(url, json={"price": "1500.5"}, headers=internal)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "too_many_decimals")
    assert (await shop.client.put(url, json={"price": 1500}, headers=internal)).json()["price"] == "1500"
    assert (await quote(product, 2, currency="JPY")).json()["total"] == "3000"
    shown = {"product_id": product["product_id"], "currency": "JPY"}
    (item,) = (await shop.client.get("/api/v1/pricing/quotes", params=shown)).json()["items"]
    assert (item["price"], item["base_price"], item["currency"]) == ("1500", "1488", "JPY")
    assert (await quote(product, 2)).json()["total"] == "24.80"
    assert (await shop.client.delete(url, headers=internal)).status_code == 204
    assert (await quote(product, 2, currency="JPY")).json()["total"] == "2976"
    (item,) = (await shop.client.get("/api/v1/pricing/quotes", params=shown)).json()["items"]
    assert item["price"] == "1488"


async def test_a_currency_without_a_rate_is_refused(shop, create_product, quote):
    product = await create_product(stock={"main": 9})
    answer = await quote(product, currency="XAU")
    assert (answer.status_code, answer.json()["code"]) == (422, "currency_not_available")
    shown = {"product_id": product["product_id"], "currency": "XAU"}
    answer = await shop.client.get("/api/v1/pricing/quotes", params=shown)
    assert (answer.status_code, answer.json()["code"]) == (422, "currency_not_available")


async def test_a_price_in_what_is_no_currency_is_refused(shop, create_product, internal):
    product = await create_product()
    url = f"/api/v1/pricing/products/{product['product_id']}/currencies/ZZZ"
    answer = await shop.client.put(url, json={"price": "1.00"}, headers=internal)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "ZZZ is no currency of ISO 4217" in answer.text
    assert (await shop.client.delete(url, headers=internal)).status_code == 204  # one of former times can be taken away


async def test_products_of_several_currencies_are_ordered_in_one(shop, create_product, load):
    await load(service.load_exchange_rates, ECB)
    dollars = await create_product(price="12.50", stock={"main": 9})
    euros = await create_product(price="10.00", currency="EUR", stock={"main": 9})
    items = [{"product_id": p["product_id"], "quantity": 1} for p in (dollars, euros)]
    mixed = await shop.order(guest(), dollars, items=items)
    assert (mixed.status_code, mixed.json()["code"]) == (422, "mixed_currencies")
    order = (await shop.order(guest(), dollars, items=items, currency="EUR")).json()
    assert (order["currency"], order["total_amount"]) == ("EUR", "20.00")


async def test_both_addresses_and_each_reservation_stand_on_the_order(shop, create_product):
    product, headers = await create_product(stock={"main": 9}), guest()
    billing = {**ADDRESS, "street": "2 Office Road"}
    order = (await shop.order(headers, product, 2, shipping_address=ADDRESS, billing_address=billing)).json()
    detail = (await shop.client.get(f"/api/v1/orders/{order['order_id']}", headers=headers)).json()
    assert (detail["shipping_address"], detail["billing_address"]) == (ADDRESS, billing)
    reserved = await shop.sql("SELECT id::text FROM reservations WHERE order_id = %s", order["order_id"])
    assert [(line["reservation_id"],) for line in detail["items"]] == reserved


async def test_a_quote_takes_nothing(shop, create_product, quote):
    product = await create_product(price="10.00", stock={"main": 2})
    before = await shop.sql("SELECT count(*) FROM reservations WHERE sku = %s", product["sku"])
    assert (await quote(product, 2)).status_code == 200
    assert (await quote(product, 3)).json()["code"] == "out_of_stock"
    assert await shop.sql("SELECT count(*) FROM reservations WHERE sku = %s", product["sku"]) == before
    assert await shop.available(product) == 2


async def test_another_calculator_takes_the_tables_place(shop, create_product, quote):
    class FlatTax(TaxTable):
        async def tax(self, sale: Sale) -> Tax:
            return Tax(added=Decimal("1.00"))

    product = await create_product(price="10.00", stock={"main": 9})
    install(shop.core, tax=FlatTax([]))
    assert (await quote(product, ship_to={"country": "FR"})).json()["total"] == "11.00"


async def test_an_order_asks_for_no_tariffs_and_no_promotions(shop, create_product):
    """A plain order is its quote's statement, its first commit and the settlement's: three round trips."""
    product = await create_product(stock={"main": 9})
    await shop.order(guest(), product)
    statements: list[str] = []
    connection_of = shop.core.db.connection

    class Counting:
        def __init__(self, connection):
            self._connection = connection

        def __getattr__(self, name):
            return getattr(self._connection, name)

        async def execute(self, statement, parameters=None):
            statements.append(statement)
            return await self._connection.execute(statement, parameters)

        def cursor(self, **kwargs):
            return CountingCursor(self._connection.cursor(**kwargs))

    class CountingCursor:
        def __init__(self, cursor):
            self._cursor = cursor

        async def __aenter__(self):
            self._cursor = await self._cursor.__aenter__()
            return self

        async def __aexit__(self, *error):
            return await self._cursor.__aexit__(*error)

        def __getattr__(self, name):
            return getattr(self._cursor, name)

        async def execute(self, statement, parameters=None):
            if "sandbox_gateway" not in statement:
                statements.append(statement)
            return await self._cursor.execute(statement, parameters)

    class Lent:
        async def __aenter__(self):
            self._lent = connection_of()
            return Counting(await self._lent.__aenter__())

        async def __aexit__(self, *error):
            return await self._lent.__aexit__(*error)

    shop.core.db.connection = Lent
    assert (await shop.order(guest(), product)).status_code == 201
    assert len(statements) == 3, statements


async def test_a_wrong_file_changes_nothing(shop, load, quote, create_product):
    await load(service.load_taxes, "country,rate,is_inclusive\nSE,25,false\n")
    for wrong in (
        "country,rate,is_inclusive\nSE,10,false\nXXX,1,true\n",
        "country,rate,is_inclusive\nSE,1,true\nSE,2,true\n",
    ):
        with pytest.raises(service.BadTariff):
            await load(service.load_taxes, wrong)
    product = await create_product(price="10.00", stock={"main": 9})
    assert (await quote(product, ship_to={"country": "SE"})).json()["tax"] == "2.50"


async def test_a_service_can_be_switched_off_and_made_free(shop, load, quote, create_product, helsinki):
    head = "code,currency,base_cost,cost_per_100_km,free_from,most_km,crosses_borders,handling_days,km_per_day," \
           "customs_days,cutoff_hour,enabled\n"  # fmt: skip
    before = "next_day,USD,9.90,0.50,,1500,false,1,,0,16,true\n"
    product = await create_product(price="10.00", stock={helsinki: 9})
    finland = {"country": "FI"}
    try:
        await load(service.load_shipping, head + "next_day,USD,9.90,0.50,20.00,1500,false,1,,0,16,true\n")
        costs = [
            (await quote(product, n, ship_to=finland, shipping_method="next_day")).json()["shipping"] for n in (1, 2)
        ]
        assert Decimal(costs[0]) > Decimal("9.90") and costs[1] == "0.00"
        await load(service.load_shipping, head + before.replace("true", "false"))
        refused = await quote(product, ship_to=finland, shipping_method="next_day")
        assert refused.json()["code"] == "shipping_not_available"
    finally:
        await load(service.load_shipping, head + before)


async def test_first_requests_at_once_read_the_tariffs_once(shop, create_product, quote):
    product = await create_product(price="10.00", stock={"main": 9})
    forget(shop.core)
    answers = await asyncio.gather(*(quote(product) for _ in range(5)))
    assert [answer.json()["total"] for answer in answers] == ["10.00"] * 5


@pytest.mark.parametrize(
    ("ship_to", "said"),
    [
        ({"country": "ZX"}, "ship_to: country: ZX is no country's code (ISO 3166-1, such as US)"),
        ({"country": "US", "state": "Washington"}, "ship_to: state: Washington is no state of US; send its letters"),
    ],
)
async def test_a_place_that_does_not_exist_is_not_quoted_without_its_taxes(create_product, quote, ship_to, said):
    answer = await quote(await create_product(), ship_to=ship_to)
    assert (answer.status_code, answer.json()["detail"]) == (422, said)


@pytest.mark.parametrize(
    "ship_to", [{"country": "US", "state": " wa "}, {"country": "US", "state": "PR"}, {"country": "FI"}]
)
async def test_a_state_may_be_written_small_and_where_none_are_known_anything(create_product, quote, ship_to):
    answer = await quote(await create_product(stock={"main": 1}), ship_to=ship_to)
    assert answer.status_code == 200, answer.text


async def test_where_taxes_depend_on_the_region_an_order_has_to_name_it(shop, create_product, load, quote):
    await load(service.load_taxes, "country,region,category,rate,is_inclusive\nVE,SP,,18,false\n")
    product = await create_product(price="10.00", stock={"main": 2})
    unknown = await quote(product, ship_to={"country": "VE"})
    order = await shop.order(guest(), product, shipping_address={**ADDRESS, "country": "VE"})
    assert [(a.status_code, a.json()["code"]) for a in (unknown, order)] == [(422, "region_needed")] * 2
    assert (await quote(product, ship_to={"country": "VE", "state": "sp"})).json()["tax"] == "1.80"
    assert await shop.available(product) == 2
