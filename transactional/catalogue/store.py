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

_IN_CARTS = """coalesce((SELECT sum(r.quantity) FROM reservations r
                            WHERE r.sku = {row}.sku AND r.level = 'soft' AND r.expires_at > %(now)s), 0)"""

# What nobody has reserved of a SKU, less what lies in carts.
_STOCK = "coalesce((SELECT sum(s.available) FROM stock s WHERE s.product_id = {row}.id), 0)"
_OFFERED = f"greatest({_STOCK} - {_IN_CARTS}, 0)"

# The product with its variants but for those that are inactive; whether it is to be kept for a moment only (carts hold
# some of it, or it is a variant, which may show its product's images and shows its rating); and the version of all its rows
# and its rating: none of the versions that it sums ever falls, and no row goes. A language that it is not translated to shows
# the product as it was listed.
PRODUCT = """
WITH asked AS (
    SELECT p.*, coalesce(t.title, p.title) AS shown_title, coalesce(t.description, p.description) AS shown_description
      FROM products p LEFT JOIN product_translations t ON t.product_id = p.id AND t.language = %(language)s::text
     WHERE p.id = %(product_id)s AND p.status <> 'inactive'
), variant AS (
    SELECT v.id, v.options, v.status, sold.offered, carts.held, v.version + stocked.version AS version,
           json_build_object(
               'variant_id', v.id, 'sku', v.sku, 'options', v.options, 'price', money_text(v.price, v.currency),
               'base_price', money_text(v.base_price, v.currency),
               'prices', coalesce((SELECT json_object_agg(m.currency, money_text(m.price, m.currency) ORDER BY m.currency)
                                     FROM product_prices m WHERE m.product_id = v.id), '{}'),
               'available', sold.offered, 'status', v.status, 'weight_grams', v.weight_grams,
               'dimensions_mm', CASE WHEN v.length_mm IS NOT NULL THEN json_build_object(
                   'length', v.length_mm, 'width', v.width_mm, 'height', v.height_mm) END,
               'attributes', v.attributes, 'images', v.images) AS shown
      FROM asked p
      CROSS JOIN LATERAL (SELECT * FROM products own WHERE own.id = p.id AND NOT p.has_variants
                          UNION ALL
                          SELECT * FROM products sold WHERE sold.parent_id = p.id AND p.has_variants) v
      CROSS JOIN LATERAL (SELECT coalesce(sum(s.available), 0) AS available, coalesce(sum(s.version), 0) AS version
                            FROM stock s WHERE s.product_id = v.id) stocked
      CROSS JOIN LATERAL (SELECT {in_carts} AS held OFFSET 0) carts
      CROSS JOIN LATERAL (SELECT CASE WHEN v.status = 'active' THEN greatest(stocked.available - carts.held, 0) ELSE 0 END
                                 AS offered) sold
)
SELECT json_build_object(
           'product_id', p.id, 'sku', p.sku, 'title', p.shown_title, 'description', p.shown_description,
           'category', json_build_object('category_id', c.id, 'path', c.path, 'name', c.name),
           'brand', p.brand, 'currency', p.currency,
           'price', money_text(p.price, p.currency), 'base_price', money_text(p.base_price, p.currency),
           'available', coalesce((SELECT sum(offered) FROM variant), 0),
           'status', p.status, 'attributes', p.attributes, 'parent_id', p.parent_id, 'tags', p.tags, 'seller', p.seller,
           'seller_name', (SELECT s.display_name FROM sellers s WHERE s.code = p.seller),
           'breadcrumbs', (SELECT json_agg(json_build_object('category_id', a.id, 'path', a.path, 'name', a.name)
                                           ORDER BY a.path)
                             FROM category_ancestry(c.path) JOIN categories a ON a.path = path_above),
           'options', coalesce((SELECT json_agg(json_build_object('name', o.name, 'values', coalesce((
                                       SELECT json_agg(value ORDER BY first_id)
                                         FROM (SELECT v.options ->> o.name AS value, min(v.id::text) AS first_id
                                                 FROM variant v WHERE v.status <> 'inactive' GROUP BY 1) AS choice),
                                       '[]')) ORDER BY o.place)
                                  FROM unnest(p.option_names) WITH ORDINALITY AS o (name, place)), '[]'),
           'variants', coalesce((SELECT json_agg(shown ORDER BY id) FROM variant WHERE status <> 'inactive'), '[]'),
           'images', CASE WHEN p.images = '[]' AND p.parent_id IS NOT NULL
               THEN (SELECT images FROM products WHERE id = p.parent_id) ELSE p.images END,
           'languages', coalesce((SELECT json_agg(l.language ORDER BY l.language)
                                    FROM product_translations l WHERE l.product_id = p.id), '[]'),
           'rating_average', rated.rating_average, 'rating_count', rated.rating_count,
           'created_at', iso_text(p.created_at), 'updated_at', iso_text(p.updated_at), 'version', p.version)::text,
       (SELECT sum(held) > 0 FROM variant) OR p.parent_id IS NOT NULL,
       (p.version + p.rating_version + (SELECT sum(version) FROM variant))::bigint
  FROM asked p JOIN categories c ON c.id = p.category_id JOIN products rated ON rated.id = coalesce(p.parent_id, p.id)
""".replace("{in_carts}", _IN_CARTS.format(row="v"))

KNOWN_SKUS = "SELECT sku, id FROM products WHERE sku = ANY(%(skus)s)"

PARENTS = "SELECT id, parent_id FROM products WHERE id = ANY(%(ids)s) AND parent_id IS NOT NULL"

VARIANTS = """
SELECT parent_id AS product_id, id AS variant_id, sku FROM products
 WHERE parent_id = ANY(%(ids)s) AND status = 'active' ORDER BY id
"""

# Which products a list is of. The planner sees the values (these statements are not prepared), so that what is not asked for
# costs nothing. `facets` must all be there; of each name in `choices` one value must.
_OF_BRAND = "(%(brands)s::text[] IS NULL OR p.brand = ANY(%(brands)s))"
_LISTED = """
     WHERE p.status = 'active' AND p.parent_id IS NULL
       AND (%(category)s::text IS NULL OR p.category_id IN (
               SELECT id FROM categories WHERE path = %(category)s OR path LIKE %(below)s))
       AND (%(price_min)s::numeric IS NULL OR p.price >= %(price_min)s)
       AND (%(price_max)s::numeric IS NULL OR p.price <= %(price_max)s)
       AND {of_brand}
       AND (%(seller)s::text IS NULL OR p.seller = %(seller)s)
       AND (%(tags)s::text[] IS NULL OR p.tags @> %(tags)s)
       AND (%(rating_min)s::numeric IS NULL OR p.rating_average >= %(rating_min)s)
       AND (%(facets)s::jsonb IS NULL OR p.facets @> %(facets)s)
       AND (%(choices)s::jsonb IS NULL OR NOT EXISTS (
               SELECT FROM jsonb_each(%(choices)s) AS w (name, allowed)
                WHERE NOT coalesce(p.facets -> w.name ?| ARRAY(SELECT jsonb_array_elements_text(w.allowed)), false)))"""

# A page of products is chosen by index, then only its rows are joined and rendered. The last two columns are the sort
# key of the last product when there are more behind it.
_LIST = """
WITH found AS (
    SELECT p.* FROM products p{listed}
       AND (%(after_id)s::uuid IS NULL OR {after})
     ORDER BY {order} LIMIT %(limit)s + 1 OFFSET %(offset)s
), chosen AS (
    SELECT p.*, row_number() OVER (ORDER BY {order}) AS place, count(*) OVER () AS found FROM found p
)
SELECT coalesce(json_agg(json_build_object(
           'product_id', p.id, 'sku', p.sku, 'title', coalesce(t.title, p.title), 'category', c.path, 'brand', p.brand,
           'currency', p.currency, 'price', money_text(p.price, p.currency),
           'base_price', money_text(p.base_price, p.currency),
           'in_stock', CASE WHEN p.has_variants
               THEN EXISTS (SELECT FROM products v
                             WHERE v.parent_id = p.id AND v.status = 'active' AND {offered_of_variant} > 0)
               ELSE {offered} > 0 END,
           'has_variants', p.has_variants, 'seller', p.seller, 'image', p.images -> 0,
           'rating_average', p.rating_average, 'rating_count', p.rating_count)
           ORDER BY p.place) FILTER (WHERE p.place <= %(limit)s), '[]')::text,
       max(p.id::text) FILTER (WHERE p.place = %(limit)s AND p.found > %(limit)s),
       max({key}) FILTER (WHERE p.place = %(limit)s AND p.found > %(limit)s)
  FROM chosen p
  JOIN categories c ON c.id = p.category_id
  LEFT JOIN product_translations t ON t.product_id = p.id AND t.language = %(language)s::text
""".replace("{listed}", _LISTED).replace("{offered_of_variant}", _OFFERED.format(row="v"))
_LIST = _LIST.replace("{offered}", _OFFERED.format(row="p")).replace("{of_brand}", _OF_BRAND)


def _sorted(key: str, after: str, order: str) -> str:
    return _LIST.replace("{key}", key).replace("{after}", after).replace("{order}", order)


LISTS = {
    "newest": _sorted("p.price", "p.id < %(after_id)s", "p.id DESC"),
    "price": _sorted("p.price", "(p.price, p.id) > (%(after_key)s::numeric, %(after_id)s)", "p.price, p.id"),
    "price_desc": _sorted(
        "p.price", "(p.price, p.id) < (%(after_key)s::numeric, %(after_id)s)", "p.price DESC, p.id DESC"
    ),
    "popularity": _sorted(
        "p.popularity", "(p.popularity, p.id) < (%(after_key)s::bigint, %(after_id)s)", "p.popularity DESC, p.id DESC"
    ),
    "rating": _sorted(
        "p.rating_rank",
        "(p.rating_rank, p.id) < (%(after_key)s::numeric, %(after_id)s)",
        "p.rating_rank DESC, p.id DESC",
    ),
}

# What a list can be narrowed by, and to how many products. Categories, brands, sellers and prices are counted over the whole
# list; tags and attributes of a long one over a sample that is spread evenly over it, and their numbers are multiplied. Who has
# chosen a brand is told what the others would give: brands are counted as if none were chosen.
FACETS = """
WITH any_brand AS MATERIALIZED (
    SELECT p.category_id, p.brand, p.seller, p.currency, count(*) AS products, min(p.price) AS lowest, max(p.price) AS highest
      FROM products p{listed_of_any_brand}
     GROUP BY p.category_id, p.brand, p.seller, p.currency
), listed AS (
    SELECT * FROM any_brand p WHERE {of_brand}
), whole AS MATERIALIZED (
    SELECT coalesce(sum(products), 0)::bigint AS products, greatest(1, ceil(sum(products) / %(most)s))::int AS stride
      FROM listed
), sampled AS MATERIALIZED (
    SELECT p.tags, p.facets FROM products p{listed}
       AND uuid_hash(p.id) %% (SELECT stride FROM whole) = 0
), scale AS MATERIALIZED (
    SELECT (SELECT products FROM whole)::numeric / greatest(1, count(*)) AS factor FROM sampled
), child AS (
    SELECT id, array_to_string((string_to_array(path, '/'))[1:%(depth)s + 1], '/') AS path FROM categories
     WHERE cardinality(string_to_array(path, '/')) > %(depth)s
), below AS (
    SELECT c.path, c.name, sum(l.products)::bigint AS products
      FROM listed l JOIN child ON child.id = l.category_id JOIN categories c ON c.path = child.path
     GROUP BY c.path, c.name
), alike AS (
    SELECT facets, count(*) AS products FROM sampled WHERE facets <> '{}' GROUP BY facets
), value AS (
    SELECT f.name, v.value, sum(a.products) AS products
      FROM alike a, jsonb_each(a.facets) AS f (name, among), jsonb_array_elements_text(f.among) AS v (value)
     GROUP BY f.name, v.value
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY name ORDER BY products DESC, value) AS place,
           sum(products) OVER (PARTITION BY name) AS of_name
      FROM value
), attribute AS (
    SELECT name, of_name, json_agg(json_build_object('value', value, 'products', round(products * factor)::bigint)
                                   ORDER BY place) AS values
      FROM ranked, scale WHERE place <= %(values)s GROUP BY name, of_name ORDER BY of_name DESC, name LIMIT %(names)s
), brand AS (
    SELECT brand AS value, sum(products)::bigint AS products FROM any_brand WHERE brand IS NOT NULL
     GROUP BY brand ORDER BY brand = ANY(coalesce(%(brands)s::text[], '{}')) DESC, products DESC, brand LIMIT %(values)s
), seller AS (
    SELECT seller AS value, sum(products)::bigint AS products FROM listed WHERE seller IS NOT NULL
     GROUP BY seller ORDER BY products DESC, seller LIMIT %(values)s
), tagged AS (
    SELECT tags, count(*) AS products FROM sampled WHERE tags <> '{}' GROUP BY tags
), tag AS (
    SELECT t.value, round(sum(l.products) * max(factor))::bigint AS products FROM scale, tagged l, unnest(l.tags) AS t (value)
     GROUP BY t.value ORDER BY products DESC, t.value LIMIT %(values)s
)
SELECT json_build_object(
           'products', (SELECT products FROM whole), 'complete', (SELECT stride = 1 FROM whole),
           'categories', coalesce((SELECT json_agg(json_build_object('path', path, 'name', name, 'products', products)
                                                   ORDER BY products DESC, path) FROM below), '[]'),
           'brands', coalesce((SELECT json_agg(b ORDER BY products DESC, value) FROM brand b), '[]'),
           'sellers', coalesce((SELECT json_agg(s ORDER BY products DESC, value) FROM seller s), '[]'),
           'tags', coalesce((SELECT json_agg(t ORDER BY products DESC, value) FROM tag t), '[]'),
           'attributes', coalesce((SELECT json_agg(json_build_object('name', name, 'values', values)
                                                   ORDER BY of_name DESC, name) FROM attribute), '[]'),
           'prices', coalesce((SELECT json_agg(json_build_object(
                                   'currency', currency, 'lowest', money_text(lowest, currency),
                                   'highest', money_text(highest, currency)) ORDER BY currency)
                                 FROM (SELECT currency, min(lowest) AS lowest, max(highest) AS highest
                                         FROM listed GROUP BY currency) AS ranged), '[]'))::text
""".replace("{listed_of_any_brand}", _LISTED.replace("{of_brand}", "true"))
FACETS = FACETS.replace("{listed}", _LISTED).replace("{of_brand}", _OF_BRAND)

BREADCRUMBS = """
SELECT json_build_object('items', json_agg(json_build_object('category_id', a.id, 'path', a.path, 'name', a.name)
                                           ORDER BY a.path))::text
  FROM categories c CROSS JOIN category_ancestry(c.path) JOIN categories a ON a.path = path_above
 WHERE c.id = %(category_id)s HAVING count(*) > 0
"""

# Units that the latest orders bought, of a product with variants all of them. The latest orders are found by their key,
# so that the cost does not grow with the shop's history; only products whose count is another are written.
COUNT_POPULARITY = """
WITH latest AS (
    SELECT id FROM orders WHERE status NOT IN ('cancelled', 'failed') ORDER BY id DESC LIMIT %(orders)s
), bought AS (
    SELECT coalesce(p.parent_id, p.id) AS id, sum(l.quantity) AS units
      FROM latest o JOIN order_lines l ON l.order_id = o.id JOIN products p ON p.id = l.product_id
     GROUP BY 1
), another AS (
    SELECT p.id, coalesce(b.units, 0) AS units
      FROM products p LEFT JOIN bought b ON b.id = p.id
     WHERE p.popularity <> coalesce(b.units, 0) AND (p.popularity > 0 OR b.units IS NOT NULL)
     ORDER BY p.id FOR NO KEY UPDATE OF p SKIP LOCKED
)
UPDATE products p SET popularity = a.units FROM another a WHERE p.id = a.id
"""

# A product that can be ordered, for the documentation's examples.
EXAMPLE = """
SELECT p.id::text FROM stock s JOIN products p ON p.id = s.product_id
 WHERE s.available >= 10 AND p.status = 'active' AND p.parent_id IS NULL LIMIT 1
"""

CATEGORY_EXISTS = "SELECT 1 FROM categories WHERE path = %(path)s"

CATEGORIES_BY_PATH = "SELECT path, id FROM categories WHERE path = ANY(%(paths)s)"

# Who adds categories does so alone, so that a parent made meanwhile is found and not made twice.
LOCK_CATEGORIES = "SELECT pg_advisory_xact_lock(7316498202)"

ADD_CATEGORIES = """
INSERT INTO categories (id, parent_id, slug, name, path)
SELECT * FROM unnest(%(ids)s::uuid[], %(parent_ids)s::uuid[], %(slugs)s::text[], %(names)s::text[], %(paths)s::text[])
"""

# Of categories and all that stand above them.
SCHEMAS = """
SELECT path, attribute_schema FROM categories WHERE path = ANY(%(paths)s) AND attribute_schema IS NOT NULL ORDER BY path
"""

SET_SCHEMA = """
UPDATE categories SET attribute_schema = %(attribute_schema)s WHERE id = %(category_id)s
RETURNING id AS category_id, path, attribute_schema
"""

SCHEMA = "SELECT id AS category_id, path, attribute_schema FROM categories WHERE id = %(category_id)s"

# New products and variants with the first entry of their price histories, the prices set for other currencies, and
# their translations. SKUs that exist already come back missing.
ADD_PRODUCTS = """
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(products)s) AS t (
        id uuid, sku text, title text, description text, category_id uuid, brand text, currency text, price numeric,
        prices jsonb, attributes jsonb, tags text[], seller text, weight_grams int, length_mm int, width_mm int,
        height_mm int, translations jsonb, parent_id uuid, has_variants boolean, option_names text[], options jsonb,
        facets jsonb, status text)
), listed AS (
    INSERT INTO products (id, sku, title, description, category_id, brand, currency, base_price, price, attributes,
                          tags, seller, weight_grams, length_mm, width_mm, height_mm, parent_id, has_variants,
                          option_names, options, facets, status, version, created_at, updated_at)
    SELECT id, sku, title, description, category_id, brand, currency, price, price, attributes, tags, seller,
           weight_grams, length_mm, width_mm, height_mm, parent_id, has_variants, option_names, options, facets, status, 2,
           %(now)s, %(now)s
      FROM given ORDER BY sku
    ON CONFLICT (sku) DO NOTHING
    RETURNING id, sku, price, version
), history AS (
    INSERT INTO price_history (product_id, valid_from, version, base_price, price, factor, reason, actor)
    SELECT id, %(now)s, version, price, price, 1, 'listing', %(actor)s FROM listed
), prices AS (
    INSERT INTO product_prices (product_id, currency, price, updated_by, updated_at)
    SELECT l.id, m.key, m.value::numeric, %(actor)s, %(now)s
      FROM listed l JOIN given g ON g.id = l.id CROSS JOIN jsonb_each_text(g.prices) AS m
), translated AS (
    INSERT INTO product_translations (product_id, language, title, description)
    SELECT l.id, m.key, m.value ->> 'title', m.value ->> 'description'
      FROM listed l JOIN given g ON g.id = l.id CROSS JOIN jsonb_each(g.translations) AS m
)
SELECT id FROM listed
"""
