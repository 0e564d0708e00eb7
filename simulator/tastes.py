"""Where products stand in the hidden space of style, and how much each shopper likes them.

A product's place is the sum of what one can read from it: its category, brand and the words of its title, each word
a direction drawn by its hash. So tastes exist for any catalogue that the shop lists, built in or imported, and
nothing of them is stored in the shop.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 16
CATEGORY_WEIGHT = 1.0
DEPARTMENT_WEIGHT = 0.4
BRAND_WEIGHT = 0.6
WORDS_WEIGHT = 0.9
OWN_WEIGHT = 0.35

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Listed:
    """A product as the shop lists it."""

    product_id: str
    title: str
    category: str
    brand: str | None
    price: float
    currency: str


def direction(kind: str, name: str) -> Vectors:
    """A unit vector that belongs to a name, the same in every process."""
    rng = np.random.default_rng(zlib.crc32(f"{kind}:{name}".encode()))
    vector = rng.standard_normal(DIMENSIONS).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def words(title: str) -> list[str]:
    """Words of a title that can carry a style: letters only, three at least."""
    return [word for word in re.findall(r"[a-z]+", title.lower()) if len(word) >= 3]


def product_vectors(products: Sequence[Listed]) -> Vectors:
    """Places of products in the style space, one unit vector a row."""
    titles = [words(product.title) for product in products]
    frequency = Counter(word for title in titles for word in set(title))
    known = {word: direction("word", word) for word, count in frequency.items() if count > 1}
    return np.stack([_place(product, title, known, frequency) for product, title in zip(products, titles, strict=True)])


def _place(product: Listed, title: list[str], known: dict[str, Vectors], frequency: Counter[str]) -> Vectors:
    place = CATEGORY_WEIGHT * direction("category", product.category)
    place = place + DEPARTMENT_WEIGHT * direction("department", product.category.split("/")[0])
    place += OWN_WEIGHT * direction("product", product.title)
    if product.brand:
        place += BRAND_WEIGHT * direction("brand", product.brand)
    telling = [(known[word], 1.0 / np.log1p(frequency[word])) for word in set(title) if word in known]
    if telling:
        drawn = sum(weight * vector for vector, weight in telling)
        place += WORDS_WEIGHT * drawn / max(float(np.linalg.norm(drawn)), 1e-6)
    unit: Vectors = (place / np.linalg.norm(place)).astype(np.float32)
    return unit
