"""SQL of changing products that are listed. Variants are locked before their product, each in the order of their ids: the order
in which a change of prices locks them, whose trigger touches the product last."""

from __future__ import annotations

# A product or a variant with all that belongs to the same product.
LOCK_FAMILY = """
SELECT id FROM products
 WHERE (SELECT coalesce(parent_id, id) FROM products WHERE id = %(product_id)s) IN (id, parent_id)
 ORDER BY parent_id IS NULL, id FOR NO KEY UPDATE
"""

# Products as they were listed and changed since: read after they were locked, so that it is what the last change left.
LISTINGS = """
SELECT p.id, p.sku, p.title, p.description, p.category_id, c.path AS category, p.brand, p.currency, p.base_price, p.price,
       p.status, p.own_status, p.attributes, p.tags, p.seller, p.weight_grams, p.length_mm, p.width_mm, p.height_mm,
       p.parent_id, p.has_variants, p.option_names, p.options, p.facets, p.images, p.version, p.created_at, p.updated_at,
       coalesce((SELECT jsonb_object_agg(t.language, jsonb_build_object('title', t.title, 'description', t.description))
                   FROM product_translations t WHERE t.product_id = p.id), '{}') AS translations,
       coalesce((SELECT jsonb_object_agg(m.currency, money_text(m.price, m.currency))
                   FROM product_prices m WHERE m.product_id = p.id), '{}') AS prices
  FROM products p JOIN categories c ON c.id = p.category_id
 WHERE p.id = ANY(%(ids)s) ORDER BY p.parent_id IS NOT NULL, p.id
"""

FAMILY = """
SELECT id FROM products
 WHERE (SELECT coalesce(parent_id, id) FROM products WHERE id = %(product_id)s) IN (id, parent_id)
"""

CHANGE_PRODUCTS = """
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(products)s) AS t (
        id uuid, title text, description text, category_id uuid, brand text, status text, own_status text,
        attributes jsonb, tags text[], seller text, weight_grams int, length_mm int, width_mm int, height_mm int,
        facets jsonb, translations jsonb)
), changed AS (
    UPDATE products p
       SET title = g.title, description = g.description, category_id = g.category_id, brand = g.brand,
           status = g.status, own_status = g.own_status, attributes = g.attributes, tags = g.tags, seller = g.seller,
           weight_grams = g.weight_grams, length_mm = g.length_mm, width_mm = g.width_mm, height_mm = g.height_mm,
           facets = g.facets, version = p.version + 1, updated_at = %(now)s
      FROM given g WHERE p.id = g.id
), removed AS (
    DELETE FROM product_translations t USING given g WHERE t.product_id = g.id AND NOT g.translations ? t.language
)
INSERT INTO product_translations AS t (product_id, language, title, description)
SELECT g.id, m.key, m.value ->> 'title', m.value ->> 'description'
  FROM given g CROSS JOIN jsonb_each(g.translations) AS m
ON CONFLICT (product_id, language) DO UPDATE SET title = excluded.title, description = excluded.description
 WHERE (t.title, t.description) <> (excluded.title, excluded.description)
"""

# A product of which there are more variants: it is filtered by what they choose, and shown at the price of the cheapest.
SHOW_VARIANTS = """
UPDATE products p SET facets = %(facets)s, price = v.price, base_price = v.base_price, version = p.version + 1,
       updated_at = %(now)s
  FROM (SELECT price, base_price FROM products WHERE parent_id = %(product_id)s
         ORDER BY status = 'active' DESC, price, id LIMIT 1) v
 WHERE p.id = %(product_id)s
"""
