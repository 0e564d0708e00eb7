"""Payment orchestration: the double-entry ledger, and what several gateways need."""

from transactional.platform.migrations import apply_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
