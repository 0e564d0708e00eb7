"""Sellers, the accounts of their people, and what is to be hidden or shown again with them."""

from transactional.platform.migrations import apply_sql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
