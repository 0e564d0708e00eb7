-- What a product or variant was set to. A variant's status is the stricter of its own and its product's, so that
-- whoever sells looks at one row; taking the product back into the shop gives each variant its own status again.
ALTER TABLE products ADD COLUMN own_status text NOT NULL DEFAULT 'active'
    CHECK (own_status IN ('active', 'inactive', 'discontinued'));
UPDATE products SET own_status = status WHERE status <> 'active';

-- Images as pages show them, those alone whose sizes are made: kept here, so that pages and lists read no other table.
ALTER TABLE products ADD COLUMN images jsonb NOT NULL DEFAULT '[]';

-- Files, each once, by what is in them. All their times are real time.
CREATE TABLE images (
    digest text PRIMARY KEY,  -- SHA-256 of the file as it came, in letters (transactional.images.pixels.name_of)
    media_type text NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'ready', 'failed', 'removing')),
    sizes jsonb NOT NULL DEFAULT '{}',  -- {"thumbnail": {"name": "….webp", "width": 160, "height": 120}, …}
    attempts integer NOT NULL DEFAULT 0,
    lease_until timestamptz,  -- whoever makes or removes its files has time until then
    unused_since timestamptz  -- no product shows it
);
CREATE INDEX images_waiting ON images (lease_until) WHERE state = 'waiting';
CREATE INDEX images_unused ON images (unused_since) WHERE unused_since IS NOT NULL;

CREATE TABLE product_images (
    id uuid PRIMARY KEY,
    product_id uuid NOT NULL REFERENCES products ON DELETE CASCADE,
    digest text NOT NULL REFERENCES images,
    place integer NOT NULL,
    alt text NOT NULL,
    UNIQUE (product_id, digest)
);
CREATE INDEX product_images_by_file ON product_images (digest);
