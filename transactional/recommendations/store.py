"""SQL of recommendations: cards as finished JSON, and the fallback list of popular products."""

from __future__ import annotations

# Of each product that is there and active: the id it was asked by, its own, its card, and whether it can be bought now.
# Who asks for a variant is shown its product: variants are chosen on its page.
CARDS = """
SELECT asked.id::text, p.id::text,
       json_build_object('product_id', p.id, 'title', p.title, 'price', money_text(p.price, p.currency),
                         'currency', p.currency, 'has_variants', p.has_variants, 'image', p.images -> 0,
                         'rating_average', p.rating_average, 'rating_count', p.rating_count)::text,
       CASE WHEN p.has_variants
            THEN EXISTS (SELECT FROM products v JOIN stock s ON s.product_id = v.id
                          WHERE v.parent_id = p.id AND v.status = 'active' AND s.available > 0)
            ELSE EXISTS (SELECT FROM stock s WHERE s.product_id = p.id AND s.available > 0) END
  FROM unnest(%(product_ids)s::uuid[]) AS asked (id)
  JOIN products a ON a.id = asked.id
  JOIN products p ON p.id = coalesce(a.parent_id, a.id)
 WHERE p.status = 'active'
"""

# What the latest orders bought most, of a product with variants all of them, then the newest products. The latest orders
# are found by their key, so that the cost does not grow with the shop's history.
POPULAR = """
WITH latest AS (
    SELECT id FROM orders WHERE status NOT IN ('cancelled', 'failed') ORDER BY id DESC LIMIT %(orders)s
), bought AS (
    SELECT coalesce(v.parent_id, v.id) AS product_id, sum(l.quantity) AS units
      FROM order_lines l JOIN latest ON latest.id = l.order_id JOIN products v ON v.id = l.product_id GROUP BY 1
), newest AS (
    SELECT id FROM products WHERE status = 'active' AND parent_id IS NULL ORDER BY id DESC LIMIT %(limit)s
)
SELECT p.id::text
  FROM products p LEFT JOIN bought b ON b.product_id = p.id
 WHERE p.status = 'active' AND (b.units IS NOT NULL OR p.id IN (SELECT id FROM newest))
 ORDER BY b.units DESC NULLS LAST, p.id DESC
 LIMIT %(limit)s
"""
