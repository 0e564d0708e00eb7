"""Reviews of products, and the ratings that follow from them."""

from transactional.platform.migrations import apply_sql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
