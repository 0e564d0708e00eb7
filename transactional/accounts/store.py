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

ADD_TOKEN = """
INSERT INTO refresh_tokens (token_hash, family, user_id, expires_at)
VALUES (%(token_hash)s, %(family)s, %(user_id)s, %(expires_at)s)
"""

# Using a refresh token is a compare-and-set: of two at once only one gets a row.
USE_TOKEN = """
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
