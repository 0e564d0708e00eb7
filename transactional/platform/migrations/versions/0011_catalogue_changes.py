"""Products that change after they were listed, and their images."""

from transactional.platform.migrations import apply_sql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
