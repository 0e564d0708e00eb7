"""A catalogue and requests for the benchmarks: made through the API, asked for by Zipf's law like a real shop's."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import aiohttp
import numpy as np
import psycopg

CATEGORIES = ("home/kitchen", "home/garden", "toys/outdoor", "fashion/shoes", "electronics/audio")
BATCH = 250


async def fill(base_url: str, internal_key: str, products: int, units: int, price: str | None = None) -> list[str]:
    """Create products with stock, at different prices or all at one; returns their ids."""
    headers = {"X-Internal-Key": internal_key}
    ids: list[str] = []
    async with aiohttp.ClientSession(base_url, headers=headers) as session:
        for first in range(0, products, BATCH):
            batch = [_product(number, units, price) for number in range(first, min(first + BATCH, products))]
            async with session.post("/api/v1/products", json={"products": batch}) as answer:
                body = await answer.json()
                if answer.status != 201:
                    raise RuntimeError(f"the catalogue was refused: {body}")
            ids += [item["product_id"] for item in body["items"]]
    return ids


def multiply(database_url: str, products: int) -> list[str]:
    """Copies of the first product, with stock, until there are so many in all; the ids of all, in the order of their SKUs."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_COPIES, {"products": products})
        connection.execute("ANALYZE products, stock")
        return [str(row[0]) for row in connection.execute("SELECT id FROM products ORDER BY sku").fetchall()]


_COPIES = """
WITH model AS (
    SELECT * FROM products ORDER BY sku LIMIT 1
), made AS (
    INSERT INTO products (id, sku, title, description, category_id, brand, currency, base_price, price, attributes,
                          created_at, updated_at)
    SELECT uuidv7(), 'BENCH-X' || n, title || n, description, category_id, brand, currency, base_price, price, attributes,
           created_at, updated_at
      FROM model, generate_series((SELECT count(*) FROM products) + 1, %(products)s) AS n
    RETURNING id, sku
)
INSERT INTO stock (sku, warehouse, product_id, available)
SELECT made.sku, s.warehouse, made.id, s.available FROM made, stock s JOIN model ON model.sku = s.sku
"""


def wanted(products: list[str], number: int, randomness: random.Random) -> list[str]:
    """So many draws of products, the first the most wanted (Zipf)."""
    return randomness.choices(products, zipf_weights(len(products)), k=number)


def _product(number: int, units: int, price: str | None) -> dict[str, Any]:
    return {
        "sku": f"BENCH-{number:06}", "title": f"Benchmark product {number}", "description": "It is what it is. " * 20,
        "category": CATEGORIES[number % len(CATEGORIES)], "brand": f"Brand {number % 40}", "currency": "USD",
        "price": price or f"{5 + number % 90}.99", "attributes": {"colour": "blue", "size": number % 9},
        "stock": {"main": units},
    }  # fmt: skip


def zipf_weights(number: int, exponent: float = 1.05) -> list[float]:
    """Weights of the most to the least asked-for product."""
    return (1.0 / np.arange(1, number + 1) ** exponent).tolist()


async def members(base_url: str, internal_key: str, number: int) -> list[str]:
    """Register members; returns their access tokens."""
    headers = {"X-Internal-Key": internal_key}
    connector = aiohttp.TCPConnector(limit=8)
    async with aiohttp.ClientSession(base_url, headers=headers, connector=connector) as session:

        async def one(place: int) -> str:
            account = {"email": f"bench{place}@lakefront.example", "password": "a long enough pass phrase 7"}
            async with session.post("/api/v1/auth/register", json=account) as answer:
                body = await answer.json()
                if answer.status != 201:
                    raise RuntimeError(f"registration was refused: {body}")
                return str(body["access_token"])

        return await asyncio.gather(*(one(place) for place in range(number)))
