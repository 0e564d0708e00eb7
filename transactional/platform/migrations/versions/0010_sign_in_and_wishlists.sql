-- Who an external OpenID provider says that an account's owner is. An account has one identity at a provider. Real time.
CREATE TABLE openid_identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    linked_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject),
    UNIQUE (user_id, issuer)
);
-- A browser that was sent to the provider; coming back deletes it. With an account it links, without one it signs in.
CREATE TABLE openid_attempts (
    state_hash bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    user_id uuid REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX openid_attempts_expired ON openid_attempts (expires_at);
CREATE INDEX openid_attempts_of_user ON openid_attempts (user_id) WHERE user_id IS NOT NULL;
-- The identity that a login came with, linked once its second factor was shown.
ALTER TABLE login_challenges ADD COLUMN issuer text, ADD COLUMN subject text;

-- Wishlists: one of an account's is the default. Who has the token of a shared one sees it. Business time.
CREATE TABLE wishlists (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    name text NOT NULL,
    is_default boolean NOT NULL,
    share_token text UNIQUE,
    created_at timestamptz NOT NULL
);
CREATE INDEX wishlists_of_user ON wishlists (user_id, id);
CREATE UNIQUE INDEX wishlists_default ON wishlists (user_id) WHERE is_default;
CREATE TABLE wishlist_items (
    id uuid PRIMARY KEY,
    wishlist_id uuid NOT NULL REFERENCES wishlists ON DELETE CASCADE,
    product_id uuid NOT NULL REFERENCES products,
    price_seen numeric NOT NULL,
    added_at timestamptz NOT NULL,
    UNIQUE (wishlist_id, product_id)
);

-- What names a person is encrypted by transactional.platform.encryption; an address is found by its keyed hash. The revision
-- fills these and drops the plain columns. Null: an account without an address, which nobody logs in to.
ALTER TABLE users ADD COLUMN sealed_email bytea, ADD COLUMN sealed_name bytea, ADD COLUMN email_index bytea;
