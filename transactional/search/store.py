"""SQL of search: products as the index holds them. News on the bus says which products to read; what they are, these say."""

from __future__ import annotations

_COLUMNS = """
SELECT p.id::text AS id, p.title, p.description, p.brand, c.path AS category_path, p.attributes, p.currency,
       (p.price * 10000)::bigint AS price_units, s.available > 0 AS is_available,
       json_build_object('product_id', p.id, 'sku', p.sku, 'title', p.title, 'category', c.path, 'brand', p.brand,
                         'currency', p.currency, 'price', money_text(p.price, p.currency),
                         'base_price', money_text(p.base_price, p.currency), 'in_stock', s.available > 0)::text AS card
  FROM products p
  JOIN categories c ON c.id = p.category_id
 CROSS JOIN LATERAL (SELECT coalesce(sum(available), 0) AS available FROM stock WHERE product_id = p.id) s
 WHERE p.status = 'active'"""

# What is missing in the answer is not active, or does not exist any more.
PRODUCTS = _COLUMNS + " AND p.id = ANY(%(product_ids)s::uuid[])"

# All products, a page after another in the order of their ids.
PRODUCTS_AFTER = _COLUMNS + " AND p.id > %(after)s::uuid ORDER BY p.id LIMIT %(limit)s"

# Units of the latest orders, which are found by their key, so that the cost does not grow with the shop's history.
UNITS_SOLD = """
WITH latest AS (
    SELECT id FROM orders WHERE status NOT IN ('cancelled', 'failed') ORDER BY id DESC LIMIT %(orders)s
)
SELECT l.product_id::text, sum(l.quantity)::int
  FROM order_lines l JOIN latest ON latest.id = l.order_id GROUP BY l.product_id
"""
