"""SQL of search: products as the index holds them. News on the bus says which products to read; what they are, these say."""

from __future__ import annotations

# A product with its variants is one document: found by their words, shown from the cheapest to the dearest of those that
# are for sale, and available where one of them is. A variant is no document of its own.
_COLUMNS = """
SELECT p.id::text AS id, p.status = 'active' AS is_active, p.title, p.description, p.brand, p.seller,
       c.path AS category_path, p.attributes, p.facets, p.tags, p.currency, p.popularity AS units_sold,
       (p.rating_average * 100)::int AS rating, (p.rating_rank * 1000000)::int AS rating_rank,
       (extract(epoch FROM coalesce(uuid_extract_timestamp(p.id), p.created_at)) * 1000)::bigint AS listed_ms,
       coalesce(v.price_units, ARRAY[(p.price * 10000)::bigint]) AS price_units,
       CASE WHEN p.has_variants THEN coalesce(v.is_available, false) ELSE own.is_available END AS is_available,
       ARRAY[p.sku] || coalesce(v.skus, '{}') AS skus,
       ARRAY(SELECT t.title FROM product_translations t WHERE t.product_id = p.id) AS translated_titles,
       json_build_object('product_id', p.id, 'sku', p.sku, 'title', p.title, 'category', c.path, 'brand', p.brand,
                         'currency', p.currency, 'price', money_text(p.price, p.currency),
                         'base_price', money_text(p.base_price, p.currency),
                         'in_stock', CASE WHEN p.has_variants THEN coalesce(v.is_available, false)
                                          ELSE own.is_available END,
                         'seller', p.seller, 'has_variants', p.has_variants, 'image', p.images -> 0,
                         'rating_average', p.rating_average, 'rating_count', p.rating_count,
                         'highest_price', money_text(coalesce(v.highest_price, p.price), p.currency))::text AS card
  FROM products p
  JOIN categories c ON c.id = p.category_id
 CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM stock s WHERE s.product_id = p.id AND s.available > 0)) own (is_available)
 CROSS JOIN LATERAL (
    SELECT array_agg(one.sku) AS skus, max(one.price) AS highest_price,
           array_agg(DISTINCT (one.price * 10000)::bigint ORDER BY (one.price * 10000)::bigint) AS price_units,
           bool_or(EXISTS (SELECT FROM stock s WHERE s.product_id = one.id AND s.available > 0)) AS is_available
      FROM products one
     WHERE p.has_variants AND one.parent_id = p.id AND one.status = 'active') v"""

# The documents that some products or variants belong to, also those that are not shown (any more).
PRODUCTS = (
    _COLUMNS
    + """
 WHERE p.id IN (SELECT coalesce(named.parent_id, named.id) FROM products named WHERE named.id = ANY(%(product_ids)s::uuid[]))
"""
)

# All that are shown, a page after another in the order of their ids.
PRODUCTS_AFTER = (
    _COLUMNS
    + """
 WHERE p.status = 'active' AND p.parent_id IS NULL AND p.id > %(after)s::uuid ORDER BY p.id LIMIT %(limit)s
"""
)

# What the worker counted of the latest orders.
POPULARITY = """
SELECT id::text, popularity FROM products WHERE status = 'active' AND parent_id IS NULL AND popularity > 0
"""

# Titles in a language, of the products of one page that are translated to it.
TITLES = """
SELECT product_id::text AS product_id, title FROM product_translations
 WHERE product_id = ANY(%(product_ids)s::uuid[]) AND language = %(language)s
"""
