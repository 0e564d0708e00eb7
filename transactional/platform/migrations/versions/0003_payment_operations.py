"""Payment operations (capture, void, refund) as durable work, and the sandbox gateway's books."""

from transactional.platform.migrations import apply_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
