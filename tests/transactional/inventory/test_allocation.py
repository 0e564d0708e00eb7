"""Which warehouse an order comes from: distance .4, availability .4, capacity .2, each from 0 to 1."""

from __future__ import annotations

import pytest

from lakefront.ids import new_id
from transactional.inventory.allocation import Warehouse, best, score
from transactional.platform.geography import Place, great_circle_km, place_of

HERE, QUARTER_ROUND, HALF_ROUND = Place(0, 0), Place(0, 90), Place(0, 180)


def warehouse(available=100, reorder_level=10, place=HERE, capacity=1000):
    return Warehouse("w", available, reorder_level, place, capacity)


@pytest.mark.parametrize(
    ("of", "quantity", "destination", "largest", "expected"),
    [
        (warehouse(), 1, HERE, 1000, 1.0),
        (warehouse(), 1, HALF_ROUND, 1000, 0.6),
        (warehouse(), 1, QUARTER_ROUND, 1000, 0.8),
        (warehouse(available=10), 5, HERE, 1000, 0.8),  # half of the reorder level is left
        (warehouse(available=5), 5, HERE, 1000, 0.6),
        (warehouse(available=5, reorder_level=0), 5, HERE, 1000, 1.0),
        (warehouse(), 1, HERE, 4000, 0.85),
        (warehouse(place=None), 1, HERE, 1000, 0.8),
        (warehouse(), 1, None, 1000, 0.8),
        (warehouse(capacity=None), 1, HERE, 1000, 0.9),
        (warehouse(available=5, place=None, capacity=None), 5, None, None, 0.3),
    ],
)
def test_the_score_is_the_weighted_sum_of_its_terms(of, quantity, destination, largest, expected):
    assert score(of, quantity, destination, largest) == pytest.approx(expected, abs=1e-12)


def row(code, available, country=None, capacity=None, place=(None, None), reorder_level=10):
    return [code, available, reorder_level, country, *place, capacity]


def test_the_nearer_of_two_equal_warehouses_is_taken():
    rows = [row("york", 50, "GB"), row("ohio", 50, "US")]
    assert best(rows, 1, "IE") == ("york", 50)
    assert best(rows, 1, "CA") == ("ohio", 50)


def test_coordinates_win_over_the_middle_of_the_country():
    rows = [row("york", 50, "GB"), row("abroad", 50, "GB", place=(39.8, -98.6))]
    assert best(rows, 1, "US") == ("abroad", 50)


def test_only_a_warehouse_that_has_the_whole_line_is_taken():
    rows = [row("near", 3, "US"), row("far", 4, "AU")]
    assert best(rows, 4, "US") == ("far", 4)
    assert best(rows, 5, "US") == ("far", 4)  # none has enough: what is told is the most that there is


def test_a_near_warehouse_is_spared_when_it_runs_low():
    rows = [row("near", 3, "US"), row("far", 40, "CA")]
    assert best(rows, 1, "US") == ("far", 40)


def test_where_nothing_is_known_the_one_with_most_is_taken_then_the_first_by_code():
    assert best([row("b", 40), row("a", 30), row("c", 40)], 1, None) == ("b", 40)
    assert best([row("b", 40), row("a", 40)], 1, None) == ("a", 40)
    assert best([row("small", 30, capacity=100), row("big", 20, capacity=400)], 1, None) == ("big", 20)


def test_what_lies_nowhere_has_no_warehouse():
    assert best(None, 1, "US") == best([], 1, "US") == (None, 0)


def test_distances_are_great_circles():
    assert great_circle_km(Place(51.5, -0.1), Place(40.7, -74.0)) == pytest.approx(5567, abs=10)  # London, New York
    assert great_circle_km(HERE, HALF_ROUND) == pytest.approx(20015.1, abs=0.1)
    assert place_of("XX") is None and place_of(None) is None


@pytest.fixture
async def houses(shop, internal):
    """Two warehouses of this test's own: one in Great Britain, one in the United States."""
    codes = {country: f"{country}-{new_id().hex}" for country in ("GB", "US")}
    for country, code in codes.items():
        body = {"name": f"House in {country}", "country": country, "capacity": 500}
        answer = await shop.client.put(f"/api/v1/inventory/warehouses/{code}", json=body, headers=internal)
        assert answer.json() == {"code": code, "latitude": None, "longitude": None, **body}
    return codes


async def warehouses_of(shop, order_id):
    rows = await shop.sql("SELECT warehouse FROM reservations WHERE order_id = %s", order_id)
    return [code for (code,) in rows]


async def test_an_order_comes_from_the_warehouse_near_its_shipping_address(shop, houses, create_product, create_user):
    product = await create_product(stock=dict.fromkeys(houses.values(), 50))
    address = {"street": "1 High St", "city": "Leeds", "zip": "LS1"}
    guest = {"X-Session-Id": f"session-{new_id()}"}
    for country in ("GB", "US", "GB"):
        order = await shop.order(guest, product, shipping_address={**address, "country": country})
        assert await warehouses_of(shop, order.json()["order_id"]) == [houses[country]]
    briton = await create_user(country="GB")  # without a country in the address it is the account's
    order = await shop.order(briton.headers, product, shipping_address=address)
    assert await warehouses_of(shop, order.json()["order_id"]) == [houses["GB"]]


async def test_a_payment_tried_again_reserves_near_the_shipping_address(shop, houses, create_product):
    product = await create_product(stock=dict.fromkeys(houses.values(), 50))
    address = {"street": "1 High St", "city": "Leeds", "zip": "LS1", "country": "GB"}
    guest = {"X-Session-Id": f"session-{new_id()}"}
    declined = (await shop.order(guest, product, 2, "tok_decline_x", shipping_address=address)).json()
    body = {"order_id": declined["order_id"], "payment_method": "tok_visa"}
    assert (await shop.client.post("/api/v1/payments/process", json=body, headers=guest)).status_code in (200, 201)
    rows = await shop.sql(
        "SELECT level, warehouse FROM reservations WHERE order_id = %s ORDER BY level", declined["order_id"]
    )
    assert rows == [("allocated", houses["GB"]), ("released", houses["GB"])]


async def test_a_reservation_through_the_api_may_name_where_the_goods_go(shop, houses, internal, create_product):
    product = await create_product(stock=dict.fromkeys(houses.values(), 50))
    items = [{"product_id": product["product_id"], "quantity": 1}]
    for country in ("US", "GB"):
        body = {"items": items, "country": country}
        answer = await shop.client.post("/api/v1/inventory/reserve", json=body, headers=internal)
        assert [i["warehouse"] for i in answer.json()["items"]] == [houses[country]]


async def test_warehouses_are_listed_by_page(shop, houses, internal):
    found, cursor = {}, None
    while True:
        query = f"?limit=2&cursor={cursor}" if cursor else "?limit=2"
        page = (await shop.client.get(f"/api/v1/inventory/warehouses{query}", headers=internal)).json()
        found |= {item["code"]: item["country"] for item in page["items"]}
        if (cursor := page["next_cursor"]) is None:
            break
    assert {houses["GB"]: "GB", houses["US"]: "US"}.items() <= found.items()


async def test_half_a_place_is_refused(shop, internal):
    body = {"name": "Nowhere", "latitude": 10}
    answer = await shop.client.put("/api/v1/inventory/warehouses/nowhere", json=body, headers=internal)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
