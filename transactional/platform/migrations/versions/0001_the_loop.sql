-- The core's first schema. Business time enters as a parameter, never as now(). Ids are UUIDv7 made by the application.

CREATE TABLE clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    offset_interval interval NOT NULL DEFAULT '0'
);
INSERT INTO clock DEFAULT VALUES;

-- Events to be told to the world. A relay numbers committed rows (position) and publishes them in that order; rows go only
-- when bronze has committed their position.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition smallint NOT NULL,
    position bigint,
    envelope text NOT NULL  -- JSON without partition and position, which the relay adds
);
CREATE INDEX outbox_to_number ON outbox (partition, id) WHERE position IS NULL;
CREATE UNIQUE INDEX outbox_position ON outbox (partition, position) WHERE position IS NOT NULL;

CREATE TABLE relay_progress (
    partition smallint PRIMARY KEY,
    numbered bigint NOT NULL DEFAULT 0,   -- greatest position given
    published bigint NOT NULL DEFAULT 0,  -- greatest position known to be on the bus
    committed bigint NOT NULL DEFAULT 0,  -- greatest position known to be in bronze; rows up to here are deleted
    bus_generation text
);

-- Accounts
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    password_hash text,  -- null: imported, cannot log in
    name text NOT NULL DEFAULT '',
    country char(2),
    role text NOT NULL DEFAULT 'shopper' CHECK (role IN ('shopper', 'merchandiser', 'admin')),
    is_simulated boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL  -- business time
);
CREATE UNIQUE INDEX users_email ON users (lower(email));
-- Whom a pseudonym stands for; deleting the row forgets the person in all events.
CREATE TABLE pseudonyms (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    pseudonym uuid NOT NULL UNIQUE
);
CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,
    family uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,  -- real time
    used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);

-- Catalogue and prices. price = base_price × the approved factor, rounded once by the pricing domain.
CREATE TABLE categories (
    id uuid PRIMARY KEY,
    parent_id uuid REFERENCES categories,
    slug text NOT NULL,
    name text NOT NULL,
    path text NOT NULL UNIQUE  -- slugs from the root, joined by '/'
);
CREATE TABLE products (
    id uuid PRIMARY KEY,
    sku text NOT NULL UNIQUE,
    title text NOT NULL CHECK (char_length(title) <= 500),
    description text NOT NULL DEFAULT '',
    category_id uuid NOT NULL REFERENCES categories,
    brand text,
    currency char(3) NOT NULL DEFAULT 'USD',
    base_price numeric(18, 4) NOT NULL CHECK (base_price >= 0),
    price numeric(18, 4) NOT NULL CHECK (price >= 0),
    price_factor double precision NOT NULL DEFAULT 1,
    price_proposal_id uuid,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'discontinued')),
    attributes jsonb NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1,  -- sequence of its events
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX products_by_category ON products (category_id, id) WHERE status = 'active';
CREATE INDEX products_by_price ON products (price, id) WHERE status = 'active';
CREATE TABLE price_history (
    product_id uuid NOT NULL REFERENCES products,
    valid_from timestamptz NOT NULL,
    version bigint NOT NULL,
    base_price numeric(18, 4) NOT NULL,
    price numeric(18, 4) NOT NULL,
    factor double precision NOT NULL,
    reason text NOT NULL,
    proposal_id uuid,
    actor text NOT NULL,
    PRIMARY KEY (product_id, version)
);
CREATE TABLE price_proposals (
    id uuid PRIMARY KEY,
    product_id uuid NOT NULL REFERENCES products,
    factor double precision NOT NULL CHECK (factor > 0),
    current_price numeric(18, 4) NOT NULL,
    proposed_price numeric(18, 4) NOT NULL,
    reasons jsonb NOT NULL,  -- elasticity, demand, stock, expected change of revenue …, and a sentence
    model_version text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected', 'superseded')),
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by text
);
CREATE UNIQUE INDEX price_proposals_pending ON price_proposals (product_id) WHERE status = 'pending';
CREATE INDEX price_proposals_by_status ON price_proposals (status, created_at DESC);

-- Stock. `available` is what may still be promised; what is reserved is a sum over reservations.
CREATE TABLE warehouses (
    code text PRIMARY KEY,
    name text NOT NULL,
    country char(2) NOT NULL DEFAULT 'US'
);
CREATE TABLE stock (
    sku text NOT NULL,
    warehouse text NOT NULL REFERENCES warehouses,
    product_id uuid NOT NULL REFERENCES products,
    available integer NOT NULL CHECK (available >= 0),
    reorder_level integer NOT NULL DEFAULT 10,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (sku, warehouse)
);
CREATE INDEX stock_by_product ON stock (product_id);
CREATE TABLE stock_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL,
    warehouse text NOT NULL,
    change integer NOT NULL,
    reason text NOT NULL,
    reference uuid,
    occurred_at timestamptz NOT NULL
);
CREATE TABLE reservations (
    id uuid PRIMARY KEY,
    sku text NOT NULL,
    warehouse text NOT NULL,
    product_id uuid NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    level text NOT NULL CHECK (level IN ('soft', 'hard', 'allocated', 'released')),
    order_id uuid,
    expires_at timestamptz  -- business time; null once allocated
);
CREATE INDEX reservations_by_order ON reservations (order_id);
CREATE INDEX reservations_to_expire ON reservations (expires_at) WHERE level IN ('soft', 'hard');

-- Carts belong to a user or, for a guest, to a session.
CREATE TABLE carts (
    id uuid PRIMARY KEY,
    user_id uuid UNIQUE REFERENCES users ON DELETE CASCADE,
    session text UNIQUE,
    version bigint NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL,
    CHECK (user_id IS NOT NULL OR session IS NOT NULL)
);
CREATE TABLE cart_items (
    id uuid PRIMARY KEY,
    cart_id uuid NOT NULL REFERENCES carts ON DELETE CASCADE,
    product_id uuid NOT NULL REFERENCES products,
    sku text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    price_seen numeric(18, 4) NOT NULL,
    UNIQUE (cart_id, sku)
);

-- Orders: the current state, and an append-only history whose sequence is the order's version.
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    user_id uuid REFERENCES users ON DELETE SET NULL,
    session text,
    channel text NOT NULL DEFAULT 'shop' CHECK (channel IN ('shop', 'import')),
    external_reference text UNIQUE,  -- invoice of an imported order
    status text NOT NULL CHECK (status IN
        ('pending', 'review', 'confirmed', 'processing', 'shipped', 'delivered', 'cancelled', 'failed')),
    currency char(3) NOT NULL,
    total numeric(18, 4) NOT NULL,
    shipping_address jsonb,
    billing_address jsonb,
    estimated_delivery timestamptz,
    tracking_number text,
    version bigint NOT NULL DEFAULT 1,
    placed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX orders_by_user ON orders (user_id, placed_at DESC, id DESC);
CREATE INDEX orders_in_review ON orders (placed_at) WHERE status = 'review';
CREATE TABLE order_lines (
    order_id uuid NOT NULL REFERENCES orders,
    line_number smallint NOT NULL,
    product_id uuid NOT NULL REFERENCES products,
    sku text NOT NULL,
    title text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(18, 4) NOT NULL,
    total numeric(18, 4) NOT NULL,
    reservation_id uuid,
    PRIMARY KEY (order_id, line_number)
);
CREATE TABLE order_history (
    order_id uuid NOT NULL REFERENCES orders,
    sequence bigint NOT NULL,
    fact text NOT NULL,  -- event type
    data jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, sequence)
);

CREATE TABLE payments (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders,
    status text NOT NULL CHECK (status IN
        ('pending', 'authorized', 'captured', 'failed', 'voided', 'refunded', 'charged_back')),
    amount numeric(18, 4) NOT NULL,
    currency char(3) NOT NULL,
    gateway text NOT NULL,
    gateway_reference text,
    method_token text NOT NULL,  -- the gateway's token; no card number ever reaches us
    failure_reason text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX payments_by_order ON payments (order_id);
CREATE UNIQUE INDEX payments_by_reference ON payments (gateway, gateway_reference);

-- The checkout saga. Every step is a compare-and-set on (step, epoch); recovery takes expired leases and raises the epoch.
CREATE TABLE checkouts (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL UNIQUE REFERENCES orders,
    scope text NOT NULL,  -- account or guest session
    idempotency_key text,
    request_hash bytea NOT NULL,
    step text NOT NULL,
    outcome text,  -- null while running, then confirmed | review | declined | failed
    answer jsonb,  -- what the client was answered, for repeats of the key
    context jsonb NOT NULL,  -- what later steps need: method, session, device, network …, all hashed
    owner uuid NOT NULL,
    epoch integer NOT NULL DEFAULT 1,
    lease_until timestamptz NOT NULL,  -- real time
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX checkouts_idempotency ON checkouts (scope, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX checkouts_running ON checkouts (lease_until) WHERE outcome IS NULL;

-- What an importer has taken already, so that a second run changes nothing.
CREATE TABLE imports (
    source text PRIMARY KEY,
    fingerprint text NOT NULL,
    summary jsonb NOT NULL,
    finished_at timestamptz NOT NULL
);
