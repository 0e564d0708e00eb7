"""SQL of finding products whatever their status. Pages come out as finished JSON."""

from __future__ import annotations

# Newest first; the last column is the sort key when there are more behind. The planner sees the values (the statement is not
# prepared), so that what is not asked for costs nothing.
LISTINGS = """
WITH found AS (
    SELECT p.* FROM products p
     WHERE p.parent_id IS NULL AND (%(after)s::uuid IS NULL OR p.id < %(after)s)
       AND (%(seller)s::text IS NULL OR p.seller = %(seller)s)
       AND (%(status)s::text IS NULL OR p.status = %(status)s)
       AND (%(sku)s::text IS NULL OR p.id = (SELECT coalesce(v.parent_id, v.id) FROM products v WHERE v.sku = %(sku)s))
       AND (%(words)s::text[] IS NULL OR NOT EXISTS (
               SELECT FROM unnest(%(words)s::text[]) AS w (word)
                WHERE position(w.word IN lower(concat_ws(' ', p.title, p.sku, p.brand))) = 0))
     ORDER BY p.id DESC LIMIT %(limit)s + 1
), chosen AS (
    SELECT p.*, row_number() OVER (ORDER BY p.id DESC) AS place, count(*) OVER () AS found FROM found p
)
SELECT coalesce(json_agg(json_build_object(
           'product_id', p.id, 'sku', p.sku, 'title', p.title, 'category', c.path, 'brand', p.brand,
           'currency', p.currency, 'price', money_text(p.price, p.currency),
           'base_price', money_text(p.base_price, p.currency), 'status', p.status, 'own_status', p.own_status,
           'variants', (SELECT count(*) FROM products v WHERE v.parent_id = p.id),
           'available', coalesce((SELECT sum(s.available) FROM products v JOIN stock s ON s.product_id = v.id
                                   WHERE CASE WHEN p.has_variants THEN v.parent_id = p.id ELSE v.id = p.id END), 0),
           'image', p.images -> 0, 'version', p.version, 'created_at', iso_text(p.created_at),
           'updated_at', iso_text(p.updated_at)) ORDER BY p.place) FILTER (WHERE p.place <= %(limit)s), '[]')::text,
       max(p.id::text) FILTER (WHERE p.place = %(limit)s AND p.found > %(limit)s)
  FROM chosen p JOIN categories c ON c.id = p.category_id
"""
