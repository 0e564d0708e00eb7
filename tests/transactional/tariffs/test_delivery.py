"""Estimates as plain functions: great circles, business days, and what each service offers from where to where."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transactional.platform.geography import Place, great_circle_km, is_international, place_of
from transactional.tariffs.business_days import after_business_days, business_day_from, is_business_day
from transactional.tariffs.delivery import Parcel, Service, offer

PARIS, LONDON, TOKYO = Place(48.8566, 2.3522), Place(51.5074, -0.1278), Place(35.6762, 139.6503)
places = st.builds(Place, st.floats(-90, 90), st.floats(-180, 180))
days = st.dates(date(2020, 1, 1), date(2040, 1, 1))

STANDARD = Service("standard", "USD", Decimal(0), Decimal(0), None, None, True, 1, 800, 2, 16, False)
NEXT_DAY = Service("next_day", "USD", Decimal("9.90"), Decimal("0.50"), None, 1500, False, 1, None, 0, 16, False)
SAME_DAY = Service("same_day", "USD", Decimal("14.90"), Decimal("5.00"), None, 80, False, 0, None, 0, 12, True)
TUESDAY = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)


def home(origin: Place = PARIS) -> list[Parcel]:
    return [Parcel(origin, False)]


def test_distances_are_those_of_the_globe():
    assert great_circle_km(PARIS, LONDON) == pytest.approx(343.6, abs=0.5)
    assert great_circle_km(PARIS, TOKYO) == pytest.approx(9_712, abs=5)
    assert great_circle_km(Place(0, 0), Place(0, 180)) == pytest.approx(20_015.1, abs=0.1)


@given(places, places)
def test_a_distance_is_the_same_both_ways_and_at_most_half_the_globe(one, other):
    assert great_circle_km(one, other) == pytest.approx(great_circle_km(other, one), abs=1e-6)
    assert 0 <= great_circle_km(one, other) <= 20_015.2
    assert great_circle_km(one, one) == pytest.approx(0, abs=1e-6)


def test_a_region_is_nearer_than_its_country_says():
    seattle = Place(47.6062, -122.3321)
    assert great_circle_km(seattle, place_of("US", "WA")) < 100 < great_circle_km(seattle, place_of("US"))
    assert place_of("DE", "Bavaria") == place_of("DE")
    assert place_of("XX") is None and place_of(None) is None


def test_customs_areas_have_no_borders_inside():
    assert not is_international("DE", "FR") and is_international("DE", "CH") and is_international("US", "GB")
    assert not is_international(None, "GB") and not is_international("US", None)


@given(days, st.integers(0, 60))
def test_business_days_are_counted_one_by_one(day, count):
    expected = business_day_from(day)
    for _ in range(count):
        expected += timedelta(days=1)
        while not is_business_day(expected):
            expected += timedelta(days=1)
    assert after_business_days(day, count) == expected
    assert is_business_day(expected) and business_day_from(day) >= day


def test_standard_takes_longer_the_farther_it_goes():
    near, far = offer(STANDARD, home(), LONDON, TUESDAY), offer(STANDARD, home(), TOKYO, TUESDAY)
    # A day of handling and one on the way; 13 days for 9,712 km, over three weekends. 20:00 in Tokyo is 11:00 UTC.
    assert near.estimated_delivery == datetime(2026, 3, 5, 20, tzinfo=UTC)
    assert far.estimated_delivery == datetime(2026, 3, 23, 11, tzinfo=UTC)
    abroad = offer(STANDARD, [Parcel(PARIS, True)], TOKYO, TUESDAY)
    assert abroad.estimated_delivery == datetime(2026, 3, 25, 11, tzinfo=UTC)
    assert near.cost == far.cost == 0


def test_the_next_day_is_a_business_day_and_costs_by_distance():
    offered = offer(NEXT_DAY, home(), LONDON, TUESDAY)
    assert (offered.cost, offered.estimated_delivery) == (Decimal("11.62"), datetime(2026, 3, 4, 20, tzinfo=UTC))
    friday_evening = datetime(2026, 3, 6, 17, tzinfo=UTC)
    assert offer(NEXT_DAY, home(), LONDON, friday_evening).estimated_delivery.date() == date(2026, 3, 10)
    assert offer(NEXT_DAY, home(), TOKYO, TUESDAY) is None
    assert offer(NEXT_DAY, [Parcel(PARIS, True)], LONDON, TUESDAY) is None
    assert offer(NEXT_DAY, [Parcel(None, False)], LONDON, TUESDAY) is None


def test_the_same_day_is_offered_nearby_on_business_days_before_noon():
    nearby = Place(48.9, 2.6)
    offered = offer(SAME_DAY, home(), nearby, TUESDAY)
    assert (offered.cost, offered.estimated_delivery) == (Decimal("15.85"), datetime(2026, 3, 3, 20, tzinfo=UTC))
    assert offer(SAME_DAY, home(), LONDON, TUESDAY) is None
    assert offer(SAME_DAY, home(), nearby, TUESDAY.replace(hour=12)) is None
    assert offer(SAME_DAY, home(), nearby, datetime(2026, 3, 7, 9, tzinfo=UTC)) is None


def test_several_parcels_cost_together_and_the_last_one_counts():
    offered = offer(NEXT_DAY, [Parcel(PARIS, False), Parcel(LONDON, False)], LONDON, TUESDAY)
    assert offered.cost == Decimal("11.62") + Decimal("9.90")
    assert (
        offer(STANDARD, [Parcel(TOKYO, False), *home()], LONDON, TUESDAY).estimated_delivery
        > offer(STANDARD, home(), LONDON, TUESDAY).estimated_delivery
    )


@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)), places, places)
def test_nothing_arrives_before_it_is_ordered(now, origin, destination):
    for service in (STANDARD, NEXT_DAY, SAME_DAY):
        offered = offer(service, home(origin), destination, now)
        assert offered is None or offered.estimated_delivery >= now
