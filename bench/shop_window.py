"""A large catalogue for the search benchmark, written by COPY, and what shoppers would type into it.

Titles are modifiers and a kind ("graphite folding lamp"), both by Zipf's law, so that the commonest kind is a tenth of the
shop; descriptions are prose of other words; brands, sellers, tags, colours and sizes are there to be counted. One product in
25 has three variants. What is typed: kinds, kinds with a modifier or a brand, words of a title, some misspelt, some narrowed by
a filter or sorted, and beginnings of words for suggestions.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
import psycopg

from bench import catalogue
from lakefront.ids import new_id

KINDS, MODIFIERS, PROSE, BRANDS, SELLERS, TAGS = 400, 20_000, 5_000, 500, 200, 30
DEPARTMENTS, SHELVES = 8, 12
COLOURS = ("black", "white", "blue", "red", "green", "grey", "brown", "pink", "yellow", "purple", "orange", "beige")
SIZES = ("XS", "S", "M", "L", "XL")
_MADE = ("2026-01-01", "2026-01-01")
_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u")]


@dataclass(frozen=True)
class Asked:
    """A request as a shopper makes it: parameters of the search, or the beginning of a word."""

    text: str
    parameters: dict[str, str] = field(default_factory=dict)
    is_prefix: bool = False


class Words:
    """All words of the shop, each sort by Zipf's law."""

    def __init__(self, seed: int = 5) -> None:
        randomness = random.Random(seed)
        words: dict[str, None] = {}
        while len(words) < KINDS + MODIFIERS + PROSE + BRANDS:
            words["".join(randomness.choices(_SYLLABLES, k=randomness.randint(2, 4)))] = None
        ordered = list(words)
        self.kinds = ordered[:KINDS]
        self.modifiers = ordered[KINDS : KINDS + MODIFIERS]
        self.prose = ordered[KINDS + MODIFIERS : -BRANDS]
        self.brands = [word.capitalize() for word in ordered[-BRANDS:]]

    def drawn(self, words: list[str], exponent: float, seed: int) -> Iterator[str]:
        """Words without end, the first ones most often."""
        weights = np.array(catalogue.zipf_weights(len(words), exponent))
        places = np.random.default_rng(seed).choice(len(words), 1_000_000, p=weights / weights.sum())
        return itertools.cycle([words[place] for place in places])


def fill(database_url: str, products: int, words: Words) -> list[str]:
    """So many products, with stock; returns brand and title of some of them."""
    kinds, modifiers = words.drawn(words.kinds, 0.9, 1), words.drawn(words.modifiers, 0.8, 2)
    prose = words.drawn(words.prose, 1.0, 3)
    titles: list[str] = []
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        shelves = _categories(cursor)
        cursor.execute("INSERT INTO warehouses (code, name) VALUES ('main', 'main') ON CONFLICT DO NOTHING")
        stock: list[tuple[str, UUID, int]] = []
        with cursor.copy(_PRODUCTS) as rows:
            for number in range(products):
                kind = next(kinds)
                title = " ".join([*itertools.islice(modifiers, 1 + number % 3), kind])
                brand = words.brands[number * 13 % BRANDS]
                if number % max(1, products // 5_000) == 0:
                    titles.append(f"{brand} {title}")
                colour, size = COLOURS[number * 7 % len(COLOURS)], SIZES[number % len(SIZES)]
                has_variants = number % 25 == 3
                facets = {"colour": [colour], "size": list(SIZES[:3]) if has_variants else [size]}
                own, sku = new_id(), f"BENCH-{number:07}"
                common = (
                    f"{kind} {' '.join(itertools.islice(prose, 20))}", shelves[hash_of(kind) % len(shelves)],
                    brand, f"seller-{number % SELLERS}", f"{{tag-{number % TAGS}}}",
                )  # fmt: skip
                price = 2 + number * 31 % 480
                sold = 4_000 // (1 + number // 50) if number % 50 == 1 else 0
                described = (json.dumps({"colour": colour}), json.dumps(facets))
                rows.write_row(
                    (own, sku, title, *common, *_prices(price), *described, None, has_variants, "{}", sold, *_MADE)
                )
                if not has_variants:
                    stock.append((sku, own, number % 8))
                    continue
                for place, choice in enumerate(SIZES[:3]):
                    variant, of_variant = new_id(), f"{sku}-{choice}"
                    named, options = f"{title} ({choice})", json.dumps({"size": choice})
                    rows.write_row(
                        (variant, of_variant, named, *common, *_prices(price + place), "{}", "{}", own, False, options, 0,
                         *_MADE)
                    )  # fmt: skip
                    stock.append((of_variant, variant, number % 3))
        with cursor.copy("COPY stock (sku, product_id, available, warehouse) FROM STDIN") as rows:
            for one in stock:
                rows.write_row((*one, "main"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE products, stock, categories")
    return titles


def asked(titles: list[str], words: Words, number: int) -> list[Asked]:
    """So many different requests, the ones that most shoppers make first."""
    randomness = random.Random(11)
    made: dict[tuple[str, str], Asked] = {}
    kinds = words.drawn(words.kinds, 0.9, 21)
    while len(made) < number:
        one = _one(len(made), randomness, titles, next(kinds))
        made.setdefault((one.text, json.dumps(one.parameters) + str(one.is_prefix)), one)
    return list(made.values())


def _one(place: int, randomness: random.Random, titles: list[str], kind: str) -> Asked:
    """The head is short; the further down, the more words. Of a hundred, fifteen are beginnings, eight misspelt, twenty
    narrowed or sorted."""
    brand, *title = randomness.choice(titles).split()
    chance = randomness.random()
    if chance < 0.15:
        text = f"{title[0]} {title[-1]}" if randomness.random() < 0.3 else kind
        return Asked(text[: max(2, len(text) - randomness.randint(1, 4))], is_prefix=True)
    if place < 200 or chance < 0.30:
        text = kind if randomness.random() < 0.5 else f"{title[0]} {title[-1]}"
    elif chance < 0.45:
        text = f"{brand} {title[-1]}"
    else:
        text = " ".join(title[-randomness.randint(2, 4) :])
    if randomness.random() < 0.08:
        cut = randomness.randint(1, len(text) - 2)
        text = text[:cut] + text[cut + 1 :]
    return Asked(text, _narrowed(randomness, brand))


def _narrowed(randomness: random.Random, brand: str) -> dict[str, str]:
    choices: tuple[dict[str, str], ...] = (
        {"category": f"department{randomness.randint(0, DEPARTMENTS - 1)}"},
        {"attribute": f"colour:{randomness.choice(COLOURS)}"},
        {"price_min": "20", "price_max": str(randomness.choice((49, 99, 199)))},
        {"in_stock": "true"},
        {"brand": brand},
        {"sort": randomness.choice(("price", "newest", "popularity"))},
    )
    return randomness.choice(choices) if randomness.random() < 0.2 else {}


def _prices(price: int) -> tuple[str, str]:
    return f"{price}.99", f"{price}.99"


def hash_of(word: str) -> int:
    """The same in each process."""
    return sum(place * ord(letter) for place, letter in enumerate(word, 1))


def _categories(cursor: psycopg.Cursor[tuple[object, ...]]) -> list[UUID]:
    leaves: list[UUID] = []
    for number in range(DEPARTMENTS):
        root = new_id()
        cursor.execute(_CATEGORY, (root, None, f"department{number}", f"department{number}", f"department{number}"))
        for shelf in range(SHELVES):
            leaves.append(each := new_id())
            path = f"department{number}/shelf{shelf}"
            cursor.execute(_CATEGORY, (each, root, f"shelf{shelf}", f"shelf{shelf}", path))
    return leaves


_CATEGORY = "INSERT INTO categories (id, parent_id, slug, name, path) VALUES (%s, %s, %s, %s, %s)"
_PRODUCTS = """
COPY products (id, sku, title, description, category_id, brand, seller, tags, base_price, price, attributes, facets, parent_id,
               has_variants, options, popularity, created_at, updated_at) FROM STDIN
"""
