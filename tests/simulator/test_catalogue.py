"""The built-in catalogue: always the same, and such that the shop can take it."""

from __future__ import annotations

import re
from decimal import Decimal

from simulator.catalogue import built_in_catalogue


def test_two_calls_give_the_same_products() -> None:
    assert built_in_catalogue() == built_in_catalogue()


def test_skus_and_titles_are_unique_and_there_are_enough() -> None:
    products = built_in_catalogue()
    assert len(products) == 360
    assert len({product["sku"] for product in products}) == len(products)
    assert len({product["title"] for product in products}) > 0.97 * len(products)
    assert len({product["category"].split("/")[0] for product in products}) == 10


def test_prices_are_amounts_in_cents_and_stock_is_somewhere() -> None:
    for product in built_in_catalogue():
        assert re.fullmatch(r"\d+\.\d\d", product["price"])
        assert Decimal("4") < Decimal(product["price"]) < Decimal("600")
        assert sum(product["stock"].values()) > 0
        assert re.fullmatch(r"[a-z-]+/[a-z-]+", product["category"])
        assert product["brand"] in product["title"]


def test_nobody_sells_industrial_tea() -> None:
    food = [product for product in built_in_catalogue() if product["category"].startswith("food/")]
    assert food
    assert not [product for product in food if product["attributes"]["style"] in {"industrial", "playful"}]
    assert all("colour" not in product["attributes"] for product in food)
