"""A catalogue that already names sellers when sellers come has a row for each."""

from __future__ import annotations

from typing import Any

import psycopg

from lakefront.ids import new_id
from transactional.platform.migrate import upgrade

PRODUCT = """
INSERT INTO products (id, sku, title, category_id, base_price, price, seller, parent_id, status, created_at, updated_at)
VALUES (%s, %s, 'P', %s, 1, 1, %s, %s, %s, %s, now())
"""


def test_every_seller_that_products_name_is_active_without_people(new_database: Any) -> None:
    url, category, parent = new_database(), new_id(), new_id()
    upgrade(url, "0011")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO categories (id, slug, name, path) VALUES (%s, 'a', 'A', 'a')", [category])
        for product_id, seller, of, status, day in (
            (parent, "lamps-ab", None, "active", "2026-02-03"),
            (new_id(), "lamps-ab", parent, "active", "2026-02-01"),
            (new_id(), "hats-ab", None, "discontinued", "2026-02-02"),
            (new_id(), None, None, "active", "2026-02-02"),
        ):
            values = [product_id, new_id().hex, category, seller, of, status, f"{day}T00:00:00Z"]
            connection.execute(PRODUCT, values)
        upgrade(url)
        rows = connection.execute(
            "SELECT code, display_name, status, version, is_settled, created_at::date::text FROM sellers ORDER BY code"
        ).fetchall()
        people = connection.execute("SELECT count(*) FROM seller_people").fetchall()
    assert rows == [
        ("hats-ab", "hats-ab", "active", 0, True, "2026-02-02"),
        ("lamps-ab", "lamps-ab", "active", 0, True, "2026-02-01"),
    ]
    assert people == [(0,)]
