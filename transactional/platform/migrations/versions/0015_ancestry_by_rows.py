"""The categories above a category as rows, which are found once for each path."""

from transactional.platform.migrations import apply_sql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
