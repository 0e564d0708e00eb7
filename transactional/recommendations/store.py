"""SQL of recommendations: cards as finished JSON, and the fallback list of popular products."""

from __future__ import annotations

# One row per active product that is there: its id, its card, and whether it can be bought now.
CARDS = """
SELECT p.id::text,
       json_build_object('product_id', p.id, 'title', p.title, 'price', money_text(p.price, p.currency),
                         'currency', p.currency)::text,
       EXISTS (SELECT FROM stock s WHERE s.product_id = p.id AND s.available > 0)
  FROM products p
 WHERE p.id = ANY(%(product_ids)s::uuid[]) AND p.status = 'active'
"""

# What the latest orders bought most, then the newest products. The latest orders are found by their key, so that the
# cost does not grow with the shop's history.
POPULAR = """
WITH latest AS (
    SELECT id FROM orders WHERE status NOT IN ('cancelled', 'failed') ORDER BY id DESC LIMIT %(orders)s
), bought AS (
    SELECT l.product_id, sum(l.quantity) AS units
      FROM order_lines l JOIN latest ON latest.id = l.order_id GROUP BY l.product_id
), newest AS (
    SELECT id FROM products WHERE status = 'active' AND parent_id IS NULL ORDER BY id DESC LIMIT %(limit)s
)
SELECT p.id::text
  FROM products p LEFT JOIN bought b ON b.product_id = p.id
 WHERE p.status = 'active' AND (b.units IS NOT NULL OR p.id IN (SELECT id FROM newest))
 ORDER BY b.units DESC NULLS LAST, p.id DESC
 LIMIT %(limit)s
"""
