"""Choices follow taste, price, position, competitors and stock as the parameters say."""

from __future__ import annotations

import numpy as np
import pytest

from simulator import choice
from simulator.choice import Shelf

COUNT = 20


def shelf(**changed: np.ndarray) -> Shelf:
    plain = {
        "price": np.full(COUNT, 10.0),
        "reference": np.full(COUNT, 10.0),
        "competitor": np.full(COUNT, 10.0),
        "available": np.ones(COUNT, dtype=bool),
        "appeal": np.zeros(COUNT),
        "elasticity": np.ones(COUNT),
    }
    return Shelf(**{**plain, **changed})


def click_counts(affinity: np.ndarray, on: Shelf, rounds: int = 3000) -> np.ndarray:
    rng, counts = np.random.default_rng(3), np.zeros(COUNT)
    for _ in range(rounds):
        for place in choice.clicks(np.arange(COUNT), affinity, on, sensitivity=2.6, most=3, rng=rng):
            counts[place] += 1
    return counts


def test_taste_beats_everything_else_on_a_list() -> None:
    affinity = np.full(COUNT, 0.1)
    affinity[15] = 0.7
    counts = click_counts(affinity, shelf())
    assert counts[15] > 10 * np.delete(counts, 15).max()


def test_of_equal_products_the_first_places_get_the_clicks() -> None:
    counts = click_counts(np.full(COUNT, 0.5), shelf())
    assert counts[:5].sum() > 1.8 * counts[-5:].sum()


def test_what_is_out_of_stock_is_rarely_opened_and_never_put_into_the_cart() -> None:
    available = np.ones(COUNT, dtype=bool)
    available[0] = False
    counts = click_counts(np.full(COUNT, 0.5), shelf(available=available))
    assert counts[0] < 0.3 * counts[1]
    assert choice.cart_probability(0, np.full(COUNT, 0.9), shelf(available=available), 2.6, 100.0) == 0.0


def test_a_list_without_anything_of_ones_own_is_left() -> None:
    bored, keen = click_counts(np.full(COUNT, -0.2), shelf()), click_counts(np.full(COUNT, 0.7), shelf())
    assert bored.sum() < 0.12 * keen.sum()


@pytest.mark.parametrize("elasticity", [0.6, 1.0, 1.4])
def test_the_price_works_as_strongly_as_sensitivity_times_elasticity_says(elasticity: float) -> None:
    """A logit's own-price elasticity is -β (1 - P)."""
    sensitivity, affinity = 2.6, np.full(COUNT, 0.4)
    base = shelf(elasticity=np.full(COUNT, elasticity))
    dearer = shelf(elasticity=np.full(COUNT, elasticity), price=np.full(COUNT, 10.1), competitor=np.full(COUNT, 10.1))
    before = choice.cart_probability(0, affinity, base, sensitivity, 100.0)
    after = choice.cart_probability(0, affinity, dearer, sensitivity, 100.0)
    measured = np.log(after / before) / np.log(1.01)
    assert measured == pytest.approx(-sensitivity * elasticity * (1 - before), rel=0.03)


def test_a_cheaper_competitor_takes_sales_a_dearer_one_gives_none() -> None:
    affinity = np.full(COUNT, 0.5)
    alone = choice.cart_probability(0, affinity, shelf(), 2.6, 100.0)
    undercut = choice.cart_probability(0, affinity, shelf(competitor=np.full(COUNT, 7.0)), 2.6, 100.0)
    overpriced = choice.cart_probability(0, affinity, shelf(competitor=np.full(COUNT, 14.0)), 2.6, 100.0)
    assert undercut < 0.9 * alone
    assert overpriced == alone


def test_category_shares_are_a_distribution_that_prefers_the_own_corner() -> None:
    affinity = np.concatenate([np.full(10, 0.6), np.full(10, 0.0)])
    shares = choice.category_shares(affinity, np.repeat([0, 1], 10), 2)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] > 0.9
