"""SQL of sign-in through an external OpenID provider."""

from __future__ import annotations

BEGIN = """
INSERT INTO openid_attempts (state_hash, browser_hash, user_id, expires_at)
VALUES (%(state_hash)s, %(browser_hash)s, %(user_id)s, %(expires_at)s)
"""
# Deleting is using: a state is good once, in the browser that began, and for who began: nobody, or an account that links.
USE = """
DELETE FROM openid_attempts
 WHERE state_hash = %(state_hash)s AND browser_hash = %(browser_hash)s
   AND user_id IS NOT DISTINCT FROM %(user_id)s::uuid AND expires_at > %(now)s
RETURNING state_hash
"""
ACCOUNT_OF = """
UPDATE openid_identities SET last_used_at = %(now)s WHERE issuer = %(issuer)s AND subject = %(subject)s RETURNING user_id
"""
# No row where the identity is another account's, or the account has another one of this provider.
LINK = """
INSERT INTO openid_identities (issuer, subject, user_id, linked_at, last_used_at)
VALUES (%(issuer)s, %(subject)s, %(user_id)s, %(now)s, %(now)s)
ON CONFLICT DO NOTHING
RETURNING user_id
"""
IDENTITIES = "SELECT issuer, linked_at, last_used_at FROM openid_identities WHERE user_id = %(user_id)s ORDER BY issuer"
UNLINK = "DELETE FROM openid_identities WHERE user_id = %(user_id)s AND issuer = %(issuer)s RETURNING issuer"
