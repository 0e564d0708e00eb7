"""The catalogue of a real shop: variants, schemas of attributes, translations, facets, popularity."""

from transactional.platform.migrations import apply_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    apply_sql(__file__)
