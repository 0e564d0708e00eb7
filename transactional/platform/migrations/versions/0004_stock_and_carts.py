"""Soft reservations, saved cart lines, places of warehouses, an append-only stock ledger, and reorder alerts."""

from transactional.platform.migrations import apply_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
