"""Accounts: sign-in through an external OpenID provider, wishlists, and personal fields of users encrypted."""

from alembic import op

from transactional.platform.encryption import blind_index, cipher
from transactional.platform.migrations import apply_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_AT_ONCE = 1_000
_PLAIN = "SELECT id, email, name FROM users WHERE email_index IS NULL ORDER BY id LIMIT %s"
_SEAL = "UPDATE users SET sealed_email = %s, sealed_name = %s, email_index = %s WHERE id = %s"
_PLAIN_GOES = """
ALTER TABLE users DROP COLUMN email, DROP COLUMN name;
ALTER TABLE users RENAME sealed_email TO email;
ALTER TABLE users RENAME sealed_name TO name;
CREATE UNIQUE INDEX users_email ON users (email_index);
"""


def upgrade() -> None:
    apply_sql(__file__)
    cursor = op.get_bind().connection.cursor()
    while plain := cursor.execute(_PLAIN, [_AT_ONCE]).fetchall():
        sealed = [
            (
                cipher().encrypt(email, f"users.email:{user_id}"),
                cipher().encrypt(name, f"users.name:{user_id}"),
                blind_index("users.email", email.lower()),
                user_id,
            )
            for user_id, email, name in plain
        ]
        cursor.executemany(_SEAL, sealed)
    cursor.execute(_PLAIN_GOES)
    cursor.close()
