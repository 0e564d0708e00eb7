"""Accounts: sign-in through an external OpenID provider, and wishlists."""

from transactional.platform.migrations import apply_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
