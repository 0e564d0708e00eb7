-- Who sells. Products carry the code. No foreign key: whoever lists makes the seller that there is not yet, and takes its row
-- before the products', so that a catalogue of millions pays nothing for it. Business time.
CREATE TABLE sellers (
    code text PRIMARY KEY,
    display_name text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 120),
    status text NOT NULL CHECK (status IN ('pending', 'active', 'suspended')),
    is_settled boolean NOT NULL DEFAULT true,  -- false: its products are still to follow its status
    version bigint NOT NULL DEFAULT 1,  -- sequence of its events; 0: nothing has been told of it yet
    created_at timestamptz NOT NULL
);
CREATE INDEX sellers_to_settle ON sellers (code) WHERE NOT is_settled;

-- Accounts that act for a seller. Each for one at most.
CREATE TABLE seller_people (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    seller text NOT NULL REFERENCES sellers ON DELETE CASCADE,
    tied_at timestamptz NOT NULL
);
CREATE INDEX seller_people_of_seller ON seller_people (seller, user_id);

-- A seller's products whatever their status, and those that only the seller keeps out of the shop.
CREATE INDEX products_of_seller ON products (seller, id) WHERE seller IS NOT NULL AND parent_id IS NULL;
CREATE INDEX products_hidden_with_seller ON products (seller, id)
    WHERE parent_id IS NULL AND status = 'inactive' AND own_status = 'active';

INSERT INTO sellers (code, display_name, status, version, created_at)
SELECT seller, left(seller, 120), 'active', 0, min(created_at) FROM products WHERE seller <> '' GROUP BY seller;
