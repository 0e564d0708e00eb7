"""The core's first schema: accounts, catalogue, prices, stock, carts, orders, payments, outbox and clock."""

from transactional.platform.migrations import apply_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
