"""SQL of accounts, their sessions and refresh tokens."""

from __future__ import annotations

# A new account in one statement; zero rows mean that the address is taken.
REGISTER = """
WITH account AS (
    INSERT INTO users (id, email, email_index, email_verified_at, password_hash, name, country, role, is_simulated,
                       created_at)
    SELECT %(user_id)s, %(email)s, %(email_index)s, %(verified_at)s, %(password_hash)s, %(name)s, %(country)s, %(role)s,
           %(is_simulated)s, %(now)s
     WHERE NOT EXISTS (SELECT FROM account_tokens  -- who left the address lately can have it back
                        WHERE email_index = %(email_index)s AND purpose = 'undo_email_change'
                          AND expires_at > %(real_now)s)
    ON CONFLICT (email_index) DO NOTHING
    RETURNING id
), alias AS (
    INSERT INTO pseudonyms (user_id, pseudonym) SELECT id, %(pseudonym)s FROM account
), session AS (
    INSERT INTO sessions (id, user_id, user_agent, started_at, last_used_at, expires_at)
    SELECT %(session)s, id, %(user_agent)s, %(real_now)s, %(real_now)s, %(expires_at)s FROM account
), token AS (
    INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at)
    SELECT %(token_hash)s, %(session)s, id, %(expires_at)s FROM account
), identity AS (
    INSERT INTO openid_identities (issuer, subject, user_id, linked_at, last_used_at)
    SELECT %(issuer)s, %(subject)s, id, %(real_now)s, %(real_now)s FROM account WHERE %(issuer)s::text IS NOT NULL
), told AS (
    INSERT INTO outbox (partition, envelope)
    SELECT t.* FROM account, unnest(%(partitions)s::smallint[], %(envelopes)s::text[]) AS t
)
SELECT id FROM account
"""

_ACCOUNT = """
SELECT u.id AS user_id, a.pseudonym, u.email, u.name, u.country, u.role, u.is_simulated, u.created_at, u.password_hash,
       u.email_verified_at, f.kind AS second_factor,
       EXISTS (SELECT FROM openid_identities o WHERE o.user_id = u.id) AS has_identity
  FROM users u JOIN pseudonyms a ON a.user_id = u.id
       LEFT JOIN second_factors f ON f.user_id = u.id AND f.confirmed_at IS NOT NULL
"""
BY_EMAIL = _ACCOUNT + " WHERE u.email_index = %(email_index)s"
BY_ID = _ACCOUNT + " WHERE u.id = %(user_id)s"

# A login: its session and first refresh token. What has ended of the account's is cleared away meanwhile.
# One that is asked to be deleted is kept, unless that has begun: then nobody logs in.
OPEN_SESSION = """
WITH deletion AS MATERIALIZED (
    SELECT user_id, began_at FROM account_deletions WHERE user_id = %(user_id)s FOR UPDATE
), cancelled AS (
    DELETE FROM account_deletions d USING deletion WHERE d.user_id = deletion.user_id AND deletion.began_at IS NULL
    RETURNING d.user_id
), noted AS (
    INSERT INTO audit_log (id, at, actor, action, subject, details)
    SELECT %(audit_id)s, %(real_now)s, user_id::text, 'deletion_cancelled', user_id::text, '{}' FROM cancelled
), ended AS (
    DELETE FROM sessions WHERE user_id = %(user_id)s AND expires_at <= %(real_now)s
), session AS (
    INSERT INTO sessions (id, user_id, user_agent, started_at, last_used_at, expires_at, client_id)
    SELECT %(session)s, %(user_id)s, %(user_agent)s, %(real_now)s, %(real_now)s, %(expires_at)s, %(client_id)s
     WHERE NOT EXISTS (SELECT FROM deletion WHERE began_at IS NOT NULL)
    RETURNING id
), token AS (
    INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at)
    SELECT %(token_hash)s, id, %(user_id)s, %(expires_at)s FROM session
)
SELECT EXISTS (SELECT FROM session) AS opened, EXISTS (SELECT FROM cancelled) AS deletion_cancelled
"""

# Using a refresh token is a compare-and-set: of two at once only one gets a row, and with it the next token. The session
# comes first, as where it is ended: an end and a use at once leave no token behind.
USE_REFRESH = """
WITH session AS (
    UPDATE sessions SET last_used_at = %(now)s, expires_at = %(expires_at)s
     WHERE id = (SELECT family FROM refresh_tokens WHERE token_hash = %(token_hash)s
                    AND used_at IS NULL AND revoked_at IS NULL AND expires_at > %(now)s)
       AND revoked_at IS NULL AND client_id IS NOT DISTINCT FROM %(client_id)s
    RETURNING id
), used AS (
    UPDATE refresh_tokens t SET used_at = %(now)s
      FROM session s
     WHERE t.token_hash = %(token_hash)s AND t.family = s.id
       AND t.used_at IS NULL AND t.revoked_at IS NULL
    RETURNING t.family, t.user_id
), fresh AS (
    INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at)
    SELECT %(fresh_hash)s, family, user_id, %(expires_at)s FROM used
)
SELECT family, user_id FROM used
"""
# Somebody has a copy: whoever it is, the whole session ends.
END_SESSION_OF_USED = """
WITH reused AS (
    SELECT family FROM refresh_tokens
     WHERE token_hash = %(token_hash)s AND used_at IS NOT NULL AND revoked_at IS NULL
), ended AS (
    UPDATE sessions SET revoked_at = %(now)s WHERE id IN (SELECT family FROM reused) AND revoked_at IS NULL
), tokens AS (
    UPDATE refresh_tokens SET revoked_at = %(now)s
     WHERE family IN (SELECT family FROM reused) AND revoked_at IS NULL
)
SELECT family FROM reused
"""

SESSIONS = """
SELECT id AS session_id, user_agent, started_at, last_used_at, expires_at
  FROM sessions
 WHERE user_id = %(user_id)s AND revoked_at IS NULL AND expires_at > %(now)s
 ORDER BY last_used_at DESC, id DESC LIMIT 100
"""
# One session, or all but one, or all; what ends is told.
END_SESSIONS = """
WITH ended AS (
    UPDATE sessions SET revoked_at = %(now)s
     WHERE user_id = %(user_id)s AND revoked_at IS NULL
       AND (%(only)s::uuid IS NULL OR id = %(only)s) AND (%(but)s::uuid IS NULL OR id <> %(but)s)
    RETURNING id
), tokens AS (
    UPDATE refresh_tokens SET revoked_at = %(now)s WHERE family IN (SELECT id FROM ended) AND revoked_at IS NULL
)
SELECT id FROM ended
"""

STARTED_SINCE = """
SELECT id FROM sessions
 WHERE id = %(session)s::uuid AND user_id = %(user_id)s AND client_id IS NULL AND revoked_at IS NULL
   AND started_at > %(since)s
"""

# A row per key, locked in the order of the keys.
TAKE_ATTEMPT = """
INSERT INTO login_attempts AS a (key, attempts, ends_at)
SELECT key, 1, %(ends_at)s FROM unnest(%(keys)s::text[]) AS key ORDER BY key
ON CONFLICT (key) DO UPDATE
   SET attempts = CASE WHEN a.ends_at <= %(now)s THEN 1 ELSE a.attempts + 1 END,
       ends_at = CASE WHEN a.ends_at <= %(now)s THEN excluded.ends_at ELSE a.ends_at END
RETURNING key, attempts, ends_at
"""
GIVE_ATTEMPT_BACK = """
WITH mine AS (
    SELECT key FROM login_attempts WHERE key = %(account)s OR key = ANY(%(keys)s) ORDER BY key FOR UPDATE
)
UPDATE login_attempts a
   SET attempts = CASE WHEN a.key = %(account)s THEN 0 ELSE greatest(a.attempts - 1, 0) END
  FROM mine WHERE a.key = mine.key
"""

CLEAR_ATTEMPTS = "UPDATE login_attempts SET attempts = 0 WHERE key = %(key)s"

# An account has one token of each purpose: a new one takes the place of the one before.
ISSUE_LETTER = """
INSERT INTO account_tokens (token_hash, user_id, purpose, expires_at)
VALUES (%(token_hash)s, %(user_id)s, %(purpose)s, %(expires_at)s)
ON CONFLICT (user_id, purpose) WHERE purpose <> 'undo_email_change' DO UPDATE
   SET token_hash = excluded.token_hash, expires_at = excluded.expires_at
"""
# Deleting is using: of two at once only one finds the row.
VERIFY_EMAIL = """
WITH used AS (
    DELETE FROM account_tokens
     WHERE token_hash = %(token_hash)s AND purpose = 'verify_email' AND expires_at > %(now)s
    RETURNING user_id
)
UPDATE users u SET email_verified_at = coalesce(u.email_verified_at, %(now)s) FROM used WHERE u.id = used.user_id
RETURNING u.id
"""
ACCOUNT_OF_RESET_LETTER = """
SELECT u.id AS user_id, u.email FROM account_tokens t JOIN users u ON u.id = t.user_id
 WHERE t.token_hash = %(token_hash)s AND t.purpose = 'reset_password' AND t.expires_at > %(now)s
"""
# Who reads the letter owns the address, which is thereby verified.
SET_BY_LETTER = """
WITH used AS (
    DELETE FROM account_tokens
     WHERE token_hash = %(token_hash)s AND purpose = 'reset_password' AND expires_at > %(now)s
    RETURNING user_id
)
UPDATE users u
   SET password_hash = %(password_hash)s, email_verified_at = coalesce(u.email_verified_at, %(now)s)
  FROM used WHERE u.id = used.user_id
RETURNING u.id
"""
# Compare-and-set: a password that was changed meanwhile is not changed again. Letters that offer a reset end with it.
SET_BY_OWNER = """
WITH changed AS (
    UPDATE users SET password_hash = %(password_hash)s WHERE id = %(user_id)s AND password_hash = %(before)s RETURNING id
), letters AS (
    DELETE FROM account_tokens WHERE user_id IN (SELECT id FROM changed) AND purpose = 'reset_password'
)
SELECT id FROM changed
"""
# What has ended, for good: attempts, letters, and used refresh tokens of sessions that go on.
FORGET_ENDED = """
WITH attempts AS (
    DELETE FROM login_attempts WHERE ends_at <= %(now)s RETURNING 1
), letters AS (
    DELETE FROM account_tokens WHERE expires_at <= %(now)s RETURNING 1
), challenges AS (
    DELETE FROM login_challenges WHERE expires_at <= %(now)s
), sign_ins AS (
    DELETE FROM openid_attempts WHERE expires_at <= %(now)s
), codes AS (  -- those that were used stay a while: shown again, they end their session
    DELETE FROM oauth_codes WHERE expires_at <= %(now)s - interval '1 day'
), tokens AS (
    DELETE FROM refresh_tokens WHERE expires_at <= %(now)s RETURNING 1
)
SELECT (SELECT count(*) FROM attempts) + (SELECT count(*) FROM letters) + (SELECT count(*) FROM tokens) AS forgotten
"""

# One that does not count yet may be begun anew; one that counts stays. The last step stays too: no code is good twice.
ENROL_FACTOR = """
INSERT INTO second_factors AS f (user_id, kind, secret) VALUES (%(user_id)s, %(kind)s, %(secret)s)
ON CONFLICT (user_id) DO UPDATE
   SET kind = excluded.kind, secret = excluded.secret, sent_hash = NULL
 WHERE f.confirmed_at IS NULL
RETURNING user_id
"""
CONFIRM_FACTOR = """
WITH confirmed AS (
    UPDATE second_factors SET confirmed_at = %(now)s WHERE user_id = %(user_id)s AND confirmed_at IS NULL
    RETURNING user_id
), codes AS (
    INSERT INTO recovery_codes (user_id, code_hash) SELECT c.user_id, h FROM confirmed c, unnest(%(hashes)s::bytea[]) AS h
)
SELECT user_id FROM confirmed
"""
REMOVE_FACTOR = "DELETE FROM second_factors WHERE user_id = %(user_id)s"
FACTOR = """
SELECT f.*, coalesce((SELECT array_agg(r.code_hash) FROM recovery_codes r WHERE r.user_id = f.user_id), '{}')
            AS recovery_hashes
  FROM second_factors f WHERE f.user_id = %(user_id)s
"""
KEEP_SENT_CODE = (
    "UPDATE second_factors SET sent_hash = %(hash)s, sent_ends_at = %(ends_at)s WHERE user_id = %(user_id)s"
)
# Each is a compare-and-set: of two who show the same code only one gets a row.
USE_STEP = """
UPDATE second_factors SET last_step = %(step)s WHERE user_id = %(user_id)s AND last_step < %(step)s RETURNING user_id
"""
USE_SENT_CODE = """
UPDATE second_factors SET sent_hash = NULL
 WHERE user_id = %(user_id)s AND sent_hash = %(hash)s AND sent_ends_at > %(now)s
RETURNING user_id
"""
USE_RECOVERY_CODE = "DELETE FROM recovery_codes WHERE user_id = %(user_id)s AND code_hash = %(hash)s RETURNING user_id"
ADD_CHALLENGE = """
INSERT INTO login_challenges (token_hash, user_id, expires_at, issuer, subject)
VALUES (%(token_hash)s, %(user_id)s, %(expires_at)s, %(issuer)s, %(subject)s)
"""
CHALLENGED = "SELECT user_id FROM login_challenges WHERE token_hash = %(token_hash)s AND expires_at > %(now)s"
USE_CHALLENGE = """
WITH used AS (
    DELETE FROM login_challenges WHERE token_hash = %(token_hash)s AND expires_at > %(now)s
    RETURNING user_id, issuer, subject
), linked AS (
    INSERT INTO openid_identities (issuer, subject, user_id, linked_at, last_used_at)
    SELECT issuer, subject, user_id, %(now)s, %(now)s FROM used WHERE issuer IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING issuer
)
SELECT user_id, (SELECT issuer FROM linked) AS linked FROM used
"""

ADD_CLIENT = """
INSERT INTO oauth_clients (id, name, secret_hash, redirect_uris, grants, created_at)
VALUES (%(id)s, %(name)s, %(secret_hash)s, %(redirect_uris)s, %(grants)s, %(now)s)
"""
CLIENT = "SELECT * FROM oauth_clients WHERE id = %(id)s"
ADD_CODE = """
INSERT INTO oauth_codes (code_hash, client_id, user_id, redirect_uri, code_challenge, expires_at)
VALUES (%(code_hash)s, %(client_id)s, %(user_id)s, %(redirect_uri)s, %(code_challenge)s, %(expires_at)s)
"""
# A compare-and-set: of two who show the same code only one gets a row.
USE_CODE = """
UPDATE oauth_codes SET session = %(session)s
 WHERE code_hash = %(code_hash)s AND client_id = %(client_id)s AND redirect_uri = %(redirect_uri)s
   AND code_challenge = %(code_challenge)s AND session IS NULL AND expires_at > %(now)s
RETURNING user_id
"""
CODE_USED_BEFORE = "SELECT user_id, session FROM oauth_codes WHERE code_hash = %(code_hash)s AND session IS NOT NULL"

# Who is no seller any more is tied to none: the role does not bring the products back.
CHANGE_ROLE = """
WITH before AS (
    SELECT id, role FROM users WHERE id = %(user_id)s FOR UPDATE
), untied AS (
    DELETE FROM seller_people t USING before b WHERE t.user_id = b.id AND %(role)s NOT IN ('seller', b.role)
)
UPDATE users u SET role = %(role)s FROM before b WHERE u.id = b.id RETURNING b.role AS before
"""
AUDIT_LOG = """
SELECT id AS entry_id, at, actor, action, subject, details
  FROM audit_log
 WHERE (%(subject)s::text IS NULL OR subject = %(subject)s) AND (%(before)s::uuid IS NULL OR id < %(before)s)
 ORDER BY id DESC LIMIT %(limit)s
"""

ADDRESSES = """
SELECT id, country, fields, is_default FROM addresses WHERE user_id = %(user_id)s ORDER BY is_default DESC, id DESC
"""
LOCK_ACCOUNT = "SELECT 1 FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE"
NO_DEFAULT = "UPDATE addresses SET is_default = false WHERE user_id = %(user_id)s AND is_default"
# The account is locked, so that two at once are neither both the first nor both the twentieth.
ADD_ADDRESS = """
INSERT INTO addresses (id, user_id, country, fields, is_default, created_at)
SELECT %(id)s, %(user_id)s, %(country)s, %(fields)s, %(is_default)s OR count(*) = 0, %(now)s
  FROM addresses WHERE user_id = %(user_id)s
HAVING count(*) < %(most)s
RETURNING id, country, fields, is_default
"""
CHANGE_ADDRESS = """
UPDATE addresses SET country = %(country)s, fields = %(fields)s, is_default = is_default OR %(is_default)s
 WHERE id = %(id)s AND user_id = %(user_id)s
RETURNING id, country, fields, is_default
"""
REMOVE_ADDRESS = "DELETE FROM addresses WHERE id = %(id)s AND user_id = %(user_id)s RETURNING id"

# What is encrypted, by table: rows under an older key than the newest, and writing one anew unless it was changed meanwhile.
# The version stands in the second to the fifth byte.
OLD_FACTORS = """
SELECT user_id AS id, secret AS field FROM second_factors
 WHERE substring(secret FROM 2 FOR 4) < %(newest)s AND user_id > %(after)s ORDER BY user_id LIMIT 500
"""
RENEW_FACTOR = "UPDATE second_factors SET secret = %(fresh)s WHERE user_id = %(id)s AND secret = %(field)s"
OLD_ADDRESSES = """
SELECT id, fields AS field FROM addresses
 WHERE substring(fields FROM 2 FOR 4) < %(newest)s AND id > %(after)s ORDER BY id LIMIT 500
"""
RENEW_ADDRESS = "UPDATE addresses SET fields = %(fresh)s WHERE id = %(id)s AND fields = %(field)s"

OLD_EMAILS = """
SELECT id, email AS field FROM users
 WHERE substring(email FROM 2 FOR 4) < %(newest)s AND id > %(after)s ORDER BY id LIMIT 500
"""
RENEW_EMAIL = "UPDATE users SET email = %(fresh)s WHERE id = %(id)s AND email = %(field)s"
OLD_NAMES = """
SELECT id, name AS field FROM users
 WHERE substring(name FROM 2 FOR 4) < %(newest)s AND id > %(after)s ORDER BY id LIMIT 500
"""
RENEW_NAME = "UPDATE users SET name = %(fresh)s WHERE id = %(id)s AND name = %(field)s"

# Addresses that letters carry, encrypted as the row of their account would hold them.
OLD_LETTERS = """
SELECT DISTINCT ON (user_id) user_id AS id, email AS field FROM account_tokens
 WHERE substring(email FROM 2 FOR 4) < %(newest)s AND user_id >= %(after)s ORDER BY user_id LIMIT 500
"""
RENEW_LETTER = "UPDATE account_tokens SET email = %(fresh)s WHERE user_id = %(id)s AND email = %(field)s"

CHANGE_PROFILE = """
UPDATE users SET name = coalesce(%(name)s::bytea, name), country = coalesce(%(country)s, country) WHERE id = %(user_id)s
"""

# An account's orders, newest first, as JSON; the last two columns are the sort key when there are more behind.
ORDERS = """
WITH found AS (
    SELECT id, number, status, currency, total, estimated_delivery, tracking_number, placed_at
      FROM orders
     WHERE user_id = %(user_id)s AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
       AND (%(after_id)s::uuid IS NULL OR (placed_at, id) < (%(after_time)s::timestamptz, %(after_id)s))
     ORDER BY placed_at DESC, id DESC LIMIT %(limit)s + 1
), placed AS (
    SELECT *, row_number() OVER (ORDER BY placed_at DESC, id DESC) AS place, count(*) OVER () AS found FROM found
)
SELECT coalesce(json_agg(json_build_object(
           'order_id', p.id, 'number', p.number, 'status', p.status, 'currency', p.currency,
           'total_amount', money_text(p.total, p.currency), 'placed_at', iso_text(p.placed_at),
           'estimated_delivery', iso_text(p.estimated_delivery), 'tracking_number', p.tracking_number,
           'items', (SELECT coalesce(json_agg(json_build_object(
                         'product_id', l.product_id, 'sku', l.sku, 'title', l.title, 'quantity', l.quantity,
                         'unit_price', money_text(l.unit_price, p.currency), 'total', money_text(l.total, p.currency))
                         ORDER BY l.line_number), '[]')
                       FROM order_lines l WHERE l.order_id = p.id))
           ORDER BY p.place) FILTER (WHERE p.place <= %(limit)s), '[]')::text,
       max(p.id::text) FILTER (WHERE p.place = %(limit)s AND p.found > %(limit)s),
       max(p.placed_at) FILTER (WHERE p.place = %(limit)s AND p.found > %(limit)s)
  FROM placed p
"""
