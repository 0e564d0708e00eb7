"""SQL of accounts and refresh tokens."""

from __future__ import annotations

# A new account in one statement; zero rows mean that the address is taken.
REGISTER = """
WITH account AS (
    INSERT INTO users (id, email, password_hash, name, country, role, is_simulated, created_at)
    VALUES (%(user_id)s, %(email)s, %(password_hash)s, %(name)s, %(country)s, %(role)s, %(is_simulated)s, %(now)s)
    ON CONFLICT (lower(email)) DO NOTHING
    RETURNING id
), alias AS (
    INSERT INTO pseudonyms (user_id, pseudonym) SELECT id, %(pseudonym)s FROM account
), token AS (
    INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at)
    SELECT %(token_hash)s, %(family)s, id, %(token_expires_at)s FROM account
), told AS (
    INSERT INTO outbox (partition, envelope)
    SELECT t.* FROM account, unnest(%(partitions)s::smallint[], %(envelopes)s::text[]) AS t
)
SELECT id FROM account
"""

_ACCOUNT = """
SELECT u.id AS user_id, a.pseudonym, u.email, u.name, u.country, u.role, u.is_simulated, u.created_at, u.password_hash
  FROM users u JOIN pseudonyms a ON a.user_id = u.id
"""
BY_EMAIL = _ACCOUNT + " WHERE lower(u.email) = lower(%(email)s)"
BY_ID = _ACCOUNT + " WHERE u.id = %(user_id)s"

ADD_REFRESH = """
INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at)
VALUES (%(token_hash)s, %(family)s, %(user_id)s, %(expires_at)s)
"""

# Using a refresh token is a compare-and-set: of two at once only one gets a row.
USE_REFRESH = """
UPDATE refresh_tokens SET used_at = %(now)s
 WHERE token_hash = %(token_hash)s AND used_at IS NULL AND revoked_at IS NULL AND expires_at > %(now)s
RETURNING family, user_id
"""
# Somebody has a copy: whoever it is, the whole family of tokens ends.
REVOKE_FAMILY_OF_USED = """
UPDATE refresh_tokens SET revoked_at = %(now)s
 WHERE family = (SELECT family FROM refresh_tokens WHERE token_hash = %(token_hash)s AND used_at IS NOT NULL)
   AND revoked_at IS NULL
RETURNING family
"""
FORGET_ENDED_TOKENS = "DELETE FROM refresh_tokens WHERE user_id = %(user_id)s AND expires_at <= %(now)s"

CHANGE_PROFILE = """
UPDATE users SET name = coalesce(%(name)s, name), country = coalesce(%(country)s, country) WHERE id = %(user_id)s
"""

# An account's orders, newest first, as JSON; the last two columns are the sort key when there are more behind.
ORDERS = """
WITH found AS (
    SELECT id, number, status, currency, total, estimated_delivery, tracking_number, placed_at
      FROM orders
     WHERE user_id = %(user_id)s
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
