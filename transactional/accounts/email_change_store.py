"""SQL of another e-mail address: asked for, confirmed, undone."""

from __future__ import annotations

# Whose an address is: an account's, or one's that can have it back. One's own comes first.
OWNER = """
SELECT user_id FROM (
    SELECT id AS user_id FROM users WHERE email_index = %(email_index)s
    UNION ALL
    SELECT user_id FROM account_tokens
     WHERE email_index = %(email_index)s AND purpose = 'undo_email_change' AND expires_at > %(now)s) AS owner
 ORDER BY user_id <> %(user_id)s LIMIT 1
"""

# The letter to the new address, and the one to the present address: with it the change is stopped, and undone later. A
# letter of the same kind that was sent to the same address before is good no longer.
ASK = """
WITH change AS (
    INSERT INTO account_tokens (token_hash, user_id, purpose, expires_at, email, email_index, session)
    VALUES (%(token_hash)s, %(user_id)s, 'change_email', %(expires_at)s, %(email)s, %(email_index)s, %(session)s)
    ON CONFLICT (user_id, purpose) WHERE purpose <> 'undo_email_change' DO UPDATE
       SET token_hash = excluded.token_hash, expires_at = excluded.expires_at, email = excluded.email,
           email_index = excluded.email_index, session = excluded.session
)
INSERT INTO account_tokens (token_hash, user_id, purpose, expires_at, email, email_index)
SELECT %(undo_hash)s, id, 'undo_email_change', %(undo_ends_at)s, email, email_index
  FROM users WHERE id = %(user_id)s AND email IS NOT NULL
ON CONFLICT (email_index, user_id) WHERE purpose = 'undo_email_change' DO UPDATE
   SET token_hash = excluded.token_hash, expires_at = excluded.expires_at, email = excluded.email
"""

# The address changes, where nobody else can have it back; who reads the letter owns it. Letters that went to the address
# before let nobody in any more, but the one that undoes the change. Two accounts at once: the index lets one through.
CONFIRM = """
WITH used AS (
    DELETE FROM account_tokens
     WHERE token_hash = %(token_hash)s AND purpose = 'change_email' AND expires_at > %(now)s
    RETURNING user_id, email, email_index, session
), before AS (
    SELECT u.id, u.email, u.email_index FROM users u JOIN used ON used.user_id = u.id FOR UPDATE OF u
), changed AS (
    UPDATE users u SET email = used.email, email_index = used.email_index, email_verified_at = %(now)s
      FROM used JOIN before ON before.id = used.user_id
     WHERE u.id = used.user_id
       AND NOT EXISTS (SELECT FROM account_tokens k
                        WHERE k.email_index = used.email_index AND k.purpose = 'undo_email_change'
                          AND k.user_id <> used.user_id AND k.expires_at > %(now)s)
    RETURNING u.id
), letters AS (
    DELETE FROM account_tokens WHERE user_id IN (SELECT id FROM changed) AND purpose IN ('verify_email', 'reset_password')
), undo AS (
    INSERT INTO account_tokens (token_hash, user_id, purpose, expires_at, email, email_index)
    SELECT %(undo_hash)s, before.id, 'undo_email_change', %(undo_ends_at)s, before.email, before.email_index
      FROM before JOIN changed USING (id)
    ON CONFLICT (email_index, user_id) WHERE purpose = 'undo_email_change' DO UPDATE
       SET token_hash = excluded.token_hash, expires_at = excluded.expires_at, email = excluded.email
)
SELECT used.user_id, used.session, before.email AS previous, changed.id IS NOT NULL AS changed
  FROM used JOIN before ON before.id = used.user_id LEFT JOIN changed ON changed.id = used.user_id
"""

ACCOUNT_OF_UNDO = """
SELECT user_id, email FROM account_tokens
 WHERE token_hash = %(token_hash)s AND purpose = 'undo_email_change' AND expires_at > %(now)s
"""
# The account has the address again, and a password that whoever changed it does not know. Letters that were sent since
# end with it; an address that was left before this one can still be had back.
UNDO = """
WITH used AS (
    DELETE FROM account_tokens
     WHERE token_hash = %(token_hash)s AND purpose = 'undo_email_change' AND expires_at > %(now)s
    RETURNING token_hash, user_id, email, email_index, expires_at
), later AS (
    DELETE FROM account_tokens t USING used
     WHERE t.user_id = used.user_id AND t.token_hash <> used.token_hash
       AND (t.purpose <> 'undo_email_change' OR t.expires_at >= used.expires_at)
)
UPDATE users u
   SET email = used.email, email_index = used.email_index, email_verified_at = %(now)s, password_hash = %(password_hash)s
  FROM used WHERE u.id = used.user_id
RETURNING u.id
"""
