"""Accounts: change of the e-mail address, and letters that are known to be an account's."""

from alembic import op

from transactional.platform.encryption import blind_index, cipher
from transactional.platform.migrations import apply_sql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_AT_ONCE = 1_000
_RECIPIENTS = """
SELECT DISTINCT recipient FROM sandbox_messages WHERE channel = 'email' AND recipient > %s ORDER BY recipient LIMIT %s
"""
_WHOSE = """
UPDATE sandbox_messages m SET user_id = u.id
  FROM unnest(%s::text[], %s::bytea[]) AS sent (recipient, email_index) JOIN users u USING (email_index)
 WHERE m.recipient = sent.recipient
"""
_NUMBERS = "SELECT user_id, secret FROM second_factors WHERE kind = 'sms'"
_WHOSE_NUMBER = "UPDATE sandbox_messages SET user_id = %s WHERE channel = 'sms' AND recipient = %s"


def upgrade() -> None:
    apply_sql(__file__)
    cursor = op.get_bind().connection.cursor()
    last = ""
    while found := [recipient for (recipient,) in cursor.execute(_RECIPIENTS, [last, _AT_ONCE]).fetchall()]:
        cursor.execute(_WHOSE, [found, [blind_index("users.email", recipient.lower()) for recipient in found]])
        last = found[-1]
    for user_id, secret in cursor.execute(_NUMBERS).fetchall():
        cursor.execute(_WHOSE_NUMBER, [user_id, cipher().decrypt(secret, f"second_factors.secret:{user_id}")])
    cursor.close()
