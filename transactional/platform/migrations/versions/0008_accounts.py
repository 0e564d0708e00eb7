"""Accounts: sessions that are listed and ended, lock-out, and letters that prove who one is."""

from transactional.platform.migrations import apply_sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
