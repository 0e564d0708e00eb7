"""What an order costs: coupons, and the parts that an order's total is made of."""

from transactional.platform.migrations import apply_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
