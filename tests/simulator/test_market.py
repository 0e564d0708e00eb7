"""Prices follow demand; a tenth of the product-days carries a random price; suppliers deliver what was sold."""

from __future__ import annotations

import numpy as np

from simulator.market import DEMAND_LIMIT, EXPLORATION

from .conftest import Ground


def charge(market, changes) -> None:  # type: ignore[no-untyped-def]
    market.accept(changes, [])


def test_a_tenth_of_the_product_days_is_explored_within_ten_per_cent(ground: Ground) -> None:
    market = ground.market()
    explored, factors = 0, []
    for _ in range(20):
        changes = market.morning()
        today = [change for change in changes if change["reason"] == "exploration"]
        explored += len(today)
        factors += [change["factor"] for change in today]
        charge(market, changes)
    assert explored == 0.1 * 20 * len(ground.products)
    assert max(abs(factor - 1) for factor in factors) <= EXPLORATION + 1e-4
    assert abs(np.mean(factors) - 1) < 0.005
    assert np.std(factors) > 0.05


def test_the_day_after_a_trial_the_old_price_is_back(ground: Ground) -> None:
    market = ground.market()
    first = market.morning()
    charge(market, first)
    tried = {change["product_id"] for change in first if change["reason"] == "exploration"}
    second = market.morning()
    charge(market, second)
    ended = {change["product_id"] for change in second if change["reason"] == "demand"}
    again = {change["product_id"] for change in second if change["reason"] == "exploration"}
    assert tried <= ended | again
    calm = ~market.explored
    assert np.abs(market.price[calm] / market.base[calm] - 1).max() <= DEMAND_LIMIT + 0.01


def test_prices_follow_demand(ground: Ground) -> None:
    """What sells well becomes dearer than what does not: the move that misleads whoever takes it for an experiment."""
    market = ground.market()
    hot, cold = np.split(np.arange(len(market.base)), 2)
    rng = np.random.default_rng(1)
    for day in range(12):
        charge(market, market.morning())
        for row in hot:
            market.sell(int(row), 1 + day // 2)
        for row in cold[rng.random(len(cold)) < 0.02]:
            market.sell(int(row), 1)
    market.morning()
    assert market.demand_factor[hot].mean() > market.demand_factor[cold].mean() + 0.01
    assert np.abs(market.demand_factor - 1).max() <= DEMAND_LIMIT + 1e-9


def test_what_a_merchandiser_decided_stays(ground: Ground) -> None:
    market = ground.market()
    charge(market, market.morning())
    product = ground.products[5]
    market.notice_decision(product.product_id, 1.15 * product.price)
    for _ in range(10):
        market.sell(5, 4)
        changes = market.morning()
        charge(market, changes)
        mine = [c for c in changes if c["product_id"] == product.product_id and c["reason"] == "demand"]
        assert all(abs(c["factor"] - 1.15) < 0.001 for c in mine)


def test_deliveries_bring_back_what_ran_out_except_from_late_suppliers(ground: Ground) -> None:
    market = ground.market()
    late = int(np.flatnonzero(market.late_supplier)[0])
    prompt = int(np.flatnonzero(~market.late_supplier)[0])
    market.available[[late, prompt]] = False
    arrived_late = 0
    for day in range(4):
        receipts = {receipt["product_id"]: receipt for receipt in market.deliveries()}
        if day == 0:
            assert receipts[ground.products[prompt].product_id]["quantity"] > 0
        arrived_late += ground.products[late].product_id in receipts
    assert market.available[prompt]
    assert arrived_late <= 3
    assert 0 < market.late_supplier.mean() < 0.1


def test_elasticities_differ_between_categories_and_not_within(ground: Ground) -> None:
    market = ground.market()
    by_category = [set(market.elasticity[market.category_of == c]) for c in range(len(market.categories))]
    assert all(len(values) == 1 for values in by_category)
    assert np.std([values.pop() for values in by_category]) > 0.15
