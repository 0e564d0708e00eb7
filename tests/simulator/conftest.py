"""A world without a shop: the built-in catalogue, its people and its market."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from simulator.catalogue import built_in_catalogue
from simulator.market import Market
from simulator.shoppers import Shopper, archetype_vectors, populate
from simulator.tastes import Listed, Vectors, product_vectors

SEED = 11


@dataclass
class Ground:
    products: list[Listed]
    vectors: Vectors
    shoppers: list[Shopper]
    affinity: np.ndarray

    def market(self, seed: int = SEED) -> Market:
        return Market.open(self.products, [product.price for product in self.products], seed)


@pytest.fixture(scope="session")
def ground() -> Ground:
    products = [
        Listed(p["sku"], p["title"], p["category"], p["brand"], float(p["price"]), p["currency"])
        for p in built_in_catalogue()
    ]
    vectors = product_vectors(products)
    shoppers = populate(400, archetype_vectors(vectors, np.random.default_rng([SEED, 5])), SEED, "key")
    return Ground(products, vectors, shoppers, np.stack([s.taste for s in shoppers]) @ vectors.T)
