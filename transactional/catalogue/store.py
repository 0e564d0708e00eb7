"""SQL of the catalogue. Pages and lists come out as finished JSON: building them in Python would cost more than the query.

What lies in carts is shown as taken. Pages are one for all shoppers; what a shopper holds, their own cart tells.
"""

from __future__ import annotations

CATEGORIES = """
SELECT json_build_object('items', coalesce(json_agg(json_build_object(
           'category_id', c.id, 'path', c.path, 'name', c.name, 'parent_id', c.parent_id) ORDER BY c.path), '[]'),
           'next_cursor', NULL)::text
  FROM categories c
"""

PRODUCT = """
SELECT json_build_object(
           'product_id', p.id, 'sku', p.sku, 'title', p.title, 'description', p.description,
           'category', json_build_object('category_id', c.id, 'path', c.path, 'name', c.name),
           'brand', p.brand, 'currency', p.currency,
           'price', money_text(p.price, p.currency), 'base_price', money_text(p.base_price, p.currency),
           'available', greatest(coalesce((SELECT sum(s.available) FROM stock s WHERE s.product_id = p.id), 0)
               - coalesce((SELECT sum(r.quantity) FROM reservations r
                            WHERE r.sku = p.sku AND r.level = 'soft' AND r.expires_at > %(now)s), 0), 0),
           'status', p.status, 'attributes', p.attributes,
           'created_at', iso_text(p.created_at), 'updated_at', iso_text(p.updated_at), 'version', p.version)::text
  FROM products p JOIN categories c ON c.id = p.category_id
 WHERE p.id = %(product_id)s
"""

# A page of products is chosen by index, then only its rows are joined and rendered. The last two columns are the sort
# key of the last product when there are more behind it.
_RENDER = """
SELECT coalesce(json_agg(json_build_object(
           'product_id', p.id, 'sku', p.sku, 'title', p.title, 'category', c.path, 'brand', p.brand,
           'currency', p.currency, 'price', money_text(p.price, p.currency),
           'base_price', money_text(p.base_price, p.currency),
           'in_stock', coalesce((SELECT sum(s.available) FROM stock s WHERE s.product_id = p.id), 0)
               > coalesce((SELECT sum(r.quantity) FROM reservations r
                            WHERE r.sku = p.sku AND r.level = 'soft' AND r.expires_at > %(now)s), 0))
           ORDER BY p.place) FILTER (WHERE p.place <= %(limit)s), '[]')::text,
       max(p.id::text) FILTER (WHERE p.place = %(limit)s AND p.found > %(limit)s),
       max(p.price) FILTER (WHERE p.place = %(limit)s AND p.found > %(limit)s)
  FROM chosen p JOIN categories c ON c.id = p.category_id
"""

NEWEST = (
    """
WITH found AS (
    SELECT * FROM products
     WHERE status = 'active'
       AND (%(category)s::text IS NULL OR category_id IN (
               SELECT id FROM categories WHERE path = %(category)s OR path LIKE %(below)s))
       AND (%(price_min)s::numeric IS NULL OR price >= %(price_min)s)
       AND (%(price_max)s::numeric IS NULL OR price <= %(price_max)s)
       AND (%(after_id)s::uuid IS NULL OR id < %(after_id)s)
     ORDER BY id DESC LIMIT %(limit)s + 1 OFFSET %(offset)s
), chosen AS (
    SELECT *, row_number() OVER (ORDER BY id DESC) AS place, count(*) OVER () AS found FROM found
)"""
    + _RENDER
)

CHEAPEST = (
    """
WITH found AS (
    SELECT * FROM products
     WHERE status = 'active'
       AND (%(category)s::text IS NULL OR category_id IN (
               SELECT id FROM categories WHERE path = %(category)s OR path LIKE %(below)s))
       AND (%(price_min)s::numeric IS NULL OR price >= %(price_min)s)
       AND (%(price_max)s::numeric IS NULL OR price <= %(price_max)s)
       AND (%(after_id)s::uuid IS NULL OR (price, id) > (%(after_price)s::numeric, %(after_id)s))
     ORDER BY price, id LIMIT %(limit)s + 1 OFFSET %(offset)s
), chosen AS (
    SELECT *, row_number() OVER (ORDER BY price, id) AS place, count(*) OVER () AS found FROM found
)"""
    + _RENDER
)

# A product that can be ordered, for the documentation's examples.
EXAMPLE = """
SELECT p.id::text FROM stock s JOIN products p ON p.id = s.product_id
 WHERE s.available >= 10 AND p.status = 'active' LIMIT 1
"""

CATEGORY_EXISTS = "SELECT 1 FROM categories WHERE path = %(path)s"

CATEGORIES_BY_PATH = "SELECT path, id FROM categories WHERE path = ANY(%(paths)s)"

# Who adds categories does so alone, so that a parent made meanwhile is found and not made twice.
LOCK_CATEGORIES = "SELECT pg_advisory_xact_lock(7316498202)"

ADD_CATEGORIES = """
INSERT INTO categories (id, parent_id, slug, name, path)
SELECT * FROM unnest(%(ids)s::uuid[], %(parent_ids)s::uuid[], %(slugs)s::text[], %(names)s::text[], %(paths)s::text[])
"""

# A new product with the first entry of its price history. SKUs that exist already come back missing.
ADD_PRODUCTS = """
WITH listed AS (
    INSERT INTO products (id, sku, title, description, category_id, brand, currency, base_price, price, attributes,
                          version, created_at, updated_at)
    SELECT t.id, t.sku, t.title, t.description, t.category_id, t.brand, t.currency, t.price, t.price,
           t.attributes::jsonb, 2, %(now)s, %(now)s
      FROM unnest(%(ids)s::uuid[], %(skus)s::text[], %(titles)s::text[], %(descriptions)s::text[],
                  %(category_ids)s::uuid[], %(brands)s::text[], %(currencies)s::text[], %(prices)s::numeric[],
                  %(attributes)s::text[])
           AS t (id, sku, title, description, category_id, brand, currency, price, attributes)
     ORDER BY t.sku
    ON CONFLICT (sku) DO NOTHING
    RETURNING id, sku, price, version
), history AS (
    INSERT INTO price_history (product_id, valid_from, version, base_price, price, factor, reason, actor)
    SELECT id, %(now)s, version, price, price, 1, 'listing', %(actor)s FROM listed
)
SELECT id, sku FROM listed
"""
