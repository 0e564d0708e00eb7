-- A login, with the family of refresh tokens that came from it. All its times are real time.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    user_agent text NOT NULL DEFAULT '',
    started_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_ended ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

-- The logins before there were sessions; when they began is not known, only when their first token was to end.
INSERT INTO sessions (id, user_id, started_at, last_used_at, expires_at, revoked_at)
SELECT family, (array_agg(user_id))[1], coalesce(min(used_at), now()), coalesce(max(used_at), now()), max(expires_at),
       max(revoked_at)
  FROM refresh_tokens GROUP BY family;

ALTER TABLE refresh_tokens ADD CONSTRAINT refresh_tokens_family_fkey
    FOREIGN KEY (family) REFERENCES sessions ON DELETE CASCADE;

ALTER TABLE users ADD COLUMN email_verified_at timestamptz;

-- Attempts at an account and from an address, under keys that name neither. Real time.
CREATE TABLE login_attempts (
    key text PRIMARY KEY,
    attempts integer NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE INDEX login_attempts_ended ON login_attempts (ends_at);

-- What was sent to a person to prove who they are; using one deletes it.
CREATE TABLE account_tokens (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('verify_email', 'reset_password')),
    expires_at timestamptz NOT NULL,
    UNIQUE (user_id, purpose)
);

-- What the sandbox has taken for sending: letters and text messages that a developer wants to read.
CREATE TABLE sandbox_messages (
    id uuid PRIMARY KEY,
    channel text NOT NULL CHECK (channel IN ('email', 'sms')),
    recipient text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    sent_at timestamptz NOT NULL
);
CREATE INDEX sandbox_messages_by_recipient ON sandbox_messages (recipient, sent_at);

-- A second factor. The secret (of the authenticator, or the telephone number) is encrypted by transactional.platform.encryption.
CREATE TABLE second_factors (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('totp', 'sms')),
    secret bytea NOT NULL,
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT 0,  -- the last time step of which a code was used: no code is good twice
    sent_hash bytea,                      -- the code that was sent last, until it is used
    sent_ends_at timestamptz
);
CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES second_factors ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);
-- A login whose password was right and whose second factor is still to come; using it deletes it.
CREATE TABLE login_challenges (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX login_challenges_of_user ON login_challenges (user_id);

-- Programs that people let act for them. A client without a secret is public: a browser or a telephone keeps none.
CREATE TABLE oauth_clients (
    id text PRIMARY KEY,
    name text NOT NULL,
    secret_hash bytea,
    redirect_uris text[] NOT NULL,
    grants text[] NOT NULL CHECK (grants <@ '{authorization_code,password,refresh_token}'),
    created_at timestamptz NOT NULL
);
-- The session that a code was exchanged for stays with it: who shows the code again ends that session.
CREATE TABLE oauth_codes (
    code_hash bytea PRIMARY KEY,
    client_id text NOT NULL REFERENCES oauth_clients ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    code_challenge text NOT NULL,
    expires_at timestamptz NOT NULL,
    session uuid
);
CREATE INDEX oauth_codes_expired ON oauth_codes (expires_at);
-- Refresh tokens are good for the client that got them only.
ALTER TABLE sessions ADD COLUMN client_id text REFERENCES oauth_clients ON DELETE CASCADE;

ALTER TABLE users DROP CONSTRAINT users_role_check;
ALTER TABLE users ADD CONSTRAINT users_role_check
    CHECK (role IN ('shopper', 'seller', 'merchandiser', 'support', 'moderator', 'analyst', 'admin'));

-- Who did what to whom: accounts by id, never by name. Real time.
CREATE TABLE audit_log (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    details jsonb NOT NULL
);
CREATE INDEX audit_log_by_subject ON audit_log (subject, id);
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Where an account has things sent: what names a person is encrypted; the country alone decides about taxes and stays readable.
CREATE TABLE addresses (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    country char(2) NOT NULL,
    fields bytea NOT NULL,
    is_default boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX addresses_of_user ON addresses (user_id, id);
CREATE UNIQUE INDEX addresses_default ON addresses (user_id) WHERE is_default;
