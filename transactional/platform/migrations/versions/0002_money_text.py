"""Money as answers carry it, for lists that come out of SQL as finished JSON."""

from transactional.platform.migrations import apply_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
