-- A variant is a row of products: it has a SKU, a price, a price history and stock as every product has, so that carts,
-- checkout, inventory and pricing need not know of it. The product that it belongs to is a row too, which is shown but never
-- sold. A product without variants is its own only variant.
ALTER TABLE products
    ADD COLUMN parent_id uuid REFERENCES products DEFERRABLE INITIALLY DEFERRED,  -- the product whose variant this is
    ADD COLUMN has_variants boolean NOT NULL DEFAULT false,
    ADD COLUMN option_names text[] NOT NULL DEFAULT '{}',  -- in which its variants differ, in the order of choosing
    ADD COLUMN options jsonb NOT NULL DEFAULT '{}',  -- a variant's choice of each
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN seller text,  -- code; null: the shop itself
    ADD COLUMN weight_grams integer CHECK (weight_grams > 0),
    ADD COLUMN length_mm integer CHECK (length_mm > 0),
    ADD COLUMN width_mm integer CHECK (width_mm > 0),
    ADD COLUMN height_mm integer CHECK (height_mm > 0),
    ADD COLUMN facets jsonb NOT NULL DEFAULT '{}',  -- what lists filter by: {"material": ["linen"], "size": ["M", "L"]}
    ADD COLUMN popularity bigint NOT NULL DEFAULT 0,  -- units that recent orders bought, its variants' included
    ADD CONSTRAINT products_variants CHECK (NOT (has_variants AND parent_id IS NOT NULL));
CREATE UNIQUE INDEX products_variant ON products (parent_id, options) WHERE parent_id IS NOT NULL;

UPDATE products SET facets = coalesce((
    SELECT jsonb_object_agg(key, jsonb_build_array(value #>> '{}')) FROM jsonb_each(attributes)
     WHERE jsonb_typeof(value) IN ('string', 'number', 'boolean') AND char_length(value #>> '{}') <= 100), '{}')
 WHERE attributes <> '{}';

-- What lists show: products, not their variants.
DROP INDEX products_by_category;
DROP INDEX products_by_price;
CREATE INDEX products_newest ON products (id) WHERE status = 'active' AND parent_id IS NULL;
CREATE INDEX products_by_price ON products (price, id) WHERE status = 'active' AND parent_id IS NULL;
CREATE INDEX products_by_popularity ON products (popularity, id) WHERE status = 'active' AND parent_id IS NULL;
CREATE INDEX products_by_category ON products (category_id, id) WHERE status = 'active' AND parent_id IS NULL;
CREATE INDEX products_by_brand ON products (brand, id) WHERE status = 'active' AND parent_id IS NULL;
CREATE INDEX products_by_seller ON products (seller, id) WHERE status = 'active' AND parent_id IS NULL;
CREATE INDEX products_by_tag ON products USING gin (tags);
CREATE INDEX products_by_facet ON products USING gin (facets jsonb_path_ops);

-- A product is shown at the price of its cheapest variant that is for sale. A trigger, because prices change in several
-- statements, and it runs only where a variant's price or status does.
CREATE FUNCTION show_cheapest_variant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE products p SET price = v.price, base_price = v.base_price, updated_at = NEW.updated_at
      FROM (SELECT price, base_price FROM products
             WHERE parent_id = NEW.parent_id
             ORDER BY status = 'active' DESC, price, id LIMIT 1) v
     WHERE p.id = NEW.parent_id AND (p.price, p.base_price) IS DISTINCT FROM (v.price, v.base_price);
    RETURN NULL;
END
$$;
CREATE TRIGGER variant_changes AFTER UPDATE OF price, base_price, status ON products FOR EACH ROW
    WHEN (NEW.parent_id IS NOT NULL AND (NEW.price, NEW.base_price, NEW.status)
          IS DISTINCT FROM (OLD.price, OLD.base_price, OLD.status))
    EXECUTE FUNCTION show_cheapest_variant();

-- What is sold is a variant: a product that has several cannot be quoted itself.
CREATE OR REPLACE VIEW quotable_products AS
SELECT p.id AS product_id, p.sku, p.title, c.path AS category_path, p.currency, p.price,
       (SELECT json_agg(json_build_array(s.warehouse, s.available, s.reorder_level, w.country, w.latitude, w.longitude,
                                         w.capacity))
          FROM stock s JOIN warehouses w ON w.code = s.warehouse WHERE s.sku = p.sku) AS warehouses
  FROM products p
  JOIN categories c ON c.id = p.category_id
 WHERE p.status = 'active' AND NOT p.has_variants;

-- A JSON Schema (2020-12) that the attributes of products here and below must obey; null: anything goes.
ALTER TABLE categories ADD COLUMN attribute_schema jsonb;
CREATE INDEX categories_below ON categories (path text_pattern_ops);

-- 'a/b/c' stands under 'a', 'a/b' and itself.
CREATE FUNCTION category_ancestry(path text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (
    SELECT array_agg(array_to_string((string_to_array(path, '/'))[1:depth], '/') ORDER BY depth)
      FROM generate_series(1, cardinality(string_to_array(path, '/'))) AS depth);

CREATE TABLE product_translations (
    product_id uuid NOT NULL REFERENCES products ON DELETE CASCADE,
    language text NOT NULL,  -- BCP 47: 'de', 'pt-BR'
    title text NOT NULL CHECK (char_length(title) <= 500),
    description text NOT NULL DEFAULT '',
    PRIMARY KEY (product_id, language)
);
