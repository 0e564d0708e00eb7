-- What a product or variant was set to. A variant's status is the stricter of its own and its product's, so that
-- whoever sells looks at one row; taking the product back into the shop gives each variant its own status again.
ALTER TABLE products ADD COLUMN own_status text NOT NULL DEFAULT 'active'
    CHECK (own_status IN ('active', 'inactive', 'discontinued'));
UPDATE products SET own_status = status WHERE status <> 'active';
