"""Orders as a projection of their history: what each fact changed, snapshots, and a history that nobody rewrites."""

from transactional.platform.migrations import apply_sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
